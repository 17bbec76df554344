"""The watch over the fleet: now and then one of the schedulers looks whether something is wrong, and has people told of what begins and recovers.

It is never the cause of another failure: a look that fails is the next one's business, and what cannot be told stays on the overview.
"""

from __future__ import annotations

import threading
from datetime import timedelta

from sqlalchemy.orm import Session

from src.actors import telling
from src.database import SET_BACK, is_outage, log_outage, now, read, write
from src.jobs import alert_signs, alerts
from src.jobs.alert_models import AlertKind
from src.jobs.alert_signs import AT_TWO_LOOKS, in_words
from src.jobs.alerts import Sign
from src.logs import get_logger
from src.schedules import queries, ticks
from src.settings import get_settings

log = get_logger(__name__)

#: seconds between two looks of one scheduler, and of the fleet
LOOK_S = 10


def look() -> None:
    """Take the fleet's turn, if nobody else has: note what is wrong, and tell of what is new; raises nothing."""
    try:
        told = _look()
    except Exception as error:
        if is_outage(error):
            log_outage(log, "watch_waits_for_sql", error)
        else:
            log.exception("watch_failed")
        return
    if told is not None and told.is_urgent:
        # A mail server may take its time: the clock goes on meanwhile.
        threading.Thread(target=telling.deliver_here, args=[told], name="telling", daemon=True).start()


def _look() -> telling.Told | None:
    with read() as session:
        signs = [*alert_signs.signs(session, except_actors=telling.SILENT), *_late(session)]
    with write() as session:
        before = alerts.take_turn(session, every=timedelta(seconds=LOOK_S * 0.8))
        if before is None:
            return None
        if before > now() + SET_BACK:
            signs.append(_set_back(session, before - now()))
        changes = alerts.note(session, signs, looked_before=before)
        for change in changes:
            log.warning(f"alert_{change.turn}", kind=change.kind.value, subject=change.subject, detail=change.text)
        return telling.tell(session, changes) if changes else None


def _set_back(session: Session, by: timedelta) -> Sign:
    """Say that the clock was set back, and let the schedules go on by it."""
    rewound = ticks.rewind(session, now())
    log.warning("clock_was_set_back", seconds=round(by.total_seconds()), schedules=rewound)
    text = f"The clock was set back by {in_words(by)}: schedules go on by the new time, and ticks in the repeated time fire again"
    return Sign(AlertKind.CLOCK, "", text, timedelta(0))


def _late(session: Session) -> list[Sign]:
    """The schedules whose tick nobody has fired."""
    after = timedelta(minutes=get_settings().alert_late)
    if not after:
        return []
    late = [(each, now() - each.due_at) for each in queries.every(session) if each.due_at is not None and each.paused_at is None]
    return [
        Sign(AlertKind.LATE, each.name, f"The schedule {each.name} is {in_words(by)} late", AT_TWO_LOOKS) for each, by in late if by > after
    ]
