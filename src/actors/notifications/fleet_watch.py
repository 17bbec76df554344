"""Fleet watch: one process at a time evaluates the alert rules, and notifies admins of alerts that begin or recover.

The schedulers take turns. If none of them has checked for a while, a worker stands in: a frozen scheduler must not
suppress its own alert. A failed check is retried at the next interval.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from ...backup import health as backups
from ...broker.core.log_throttle import LogThrottle
from ...broker.recover import broker_health, management
from ...broker.recover.management import Overview
from ...jobs.alerts import alerts, rules
from ...jobs.alerts.alerts import Rule, Sign
from ...jobs.alerts.models import AlertKind
from ...jobs.alerts.rules import AT_TWO_CHECKS, in_words
from ...logs import get_logger
from ...schedules.rows import overlaps, queries
from ...schedules.ticks import ticks
from ...settings import get_settings
from ...sql.clock import SET_BACK, now
from ...sql.database import read, write
from . import alert_notifications

log = get_logger(__name__)
_causes = LogThrottle()

#: seconds between two checks of one scheduler, and of the fleet
CHECK_S = 10
#: time without a check by any scheduler until a worker checks
STAND_IN_AFTER = timedelta(seconds=2.5 * CHECK_S)
AT_ONCE = timedelta(0)


def check() -> None:
    """Check the fleet unless another process just has: record what is wrong, and notify of changes; raises nothing."""
    try:
        notice = _check()
        _causes.passed()
    except Exception as error:  # noqa: BLE001 - the watch must never be the cause of another failure
        _causes.failed(log, error, waits="watch_waits_for_sql", broke="watch_failed")
        return
    if notice is not None and notice.is_urgent:
        # A mail server may be slow: the next check must not wait for it.
        threading.Thread(target=alert_notifications.deliver_here, args=[notice], name="telling", daemon=True).start()


def stand_in() -> None:
    """Check in place of the schedulers if none of them has for a while."""
    with read() as session:
        before = alerts.looked_at(session)
    if before is None or now() - before > STAND_IN_AFTER:
        check()


def _check() -> alert_notifications.Notices | None:
    broker = management.overview(within_s=management.FRESH_S, counts=False) if get_settings().alert_broker else None
    every = [
        *rules.rules(except_actors=alert_notifications.SILENT),
        Rule(frozenset({AlertKind.LATE}), _late),
        Rule(frozenset({AlertKind.BROKER_AWAY, AlertKind.NODE_AWAY, AlertKind.BROKER_ALARM}), partial(_broker, broker=broker)),
        Rule(frozenset({AlertKind.BACKUP}), _backup),
    ]
    with read() as session:
        signs = alerts.evaluate(session, every)
    with write() as session:
        before = alerts.take_turn(session, every=timedelta(seconds=CHECK_S * 0.8))
        if before is None:
            return None
        if before > now() + SET_BACK:
            signs.present.append(_set_back(session, before - now()))
        changes = alerts.note(session, signs, looked_before=before)
        for change in changes:
            log.warning(f"alert_{change.turn}", kind=change.kind.value, subject=change.subject, detail=change.text)
        return alert_notifications.notify(session, changes) if changes else None


def _set_back(session: Session, by: timedelta) -> Sign:
    """Log that the clock was set back, and rewind the schedules."""
    rewound = ticks.rewind(session, now())
    log.warning("clock_was_set_back", seconds=round(by.total_seconds()), schedules=rewound)
    text = f"The clock was set back by {in_words(by)}: schedules go on by the new time, and ticks in the repeated time fire again"
    return Sign(AlertKind.CLOCK, "", text, AT_ONCE)


def _late(session: Session) -> list[Sign]:
    """Return the schedules with an overdue tick, or with ticks behind a job that may wait for hours."""
    after = timedelta(minutes=get_settings().alert_late)
    if not after:
        return []
    late = {each.name: (now() - each.due_at, "") for each in queries.every(session) if each.due_at is not None and each.paused_at is None}
    for each in overlaps.blocked(session):
        late[each.schedule] = now() - each.since, f": it waits for job {each.job.id} of an earlier tick, which is {each.job.state}"
    return [
        Sign(AlertKind.LATE, name, f"The schedule {name} is {in_words(by)} late{why}", AT_TWO_CHECKS)
        for name, (by, why) in late.items()
        if by > after
    ]


def _broker(session: Session, *, broker: Overview | None) -> list[Sign]:
    if broker is None:
        return []
    after = timedelta(minutes=get_settings().alert_broker)
    return [
        Sign(each.kind, each.subject, each.text, AT_ONCE if each.kind is AlertKind.BROKER_ALARM else after)
        for each in broker_health.troubles(session, broker)
    ]


def _backup(session: Session) -> list[Sign]:
    within = timedelta(hours=get_settings().alert_backup)
    problem = backups.problem(session, within=within) if within else None
    return [Sign(AlertKind.BACKUP, "", problem, AT_TWO_CHECKS)] if problem else []
