"""Alert notifications: a mail to the admins and a delivery to each subscribed webhook, in the commit that records the alert.

Both are delivered by jobs, like everything else. If no worker is left to run those, the process that recorded the alert
delivers them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.orm import Session

from ...jobs.alerts import notifications
from ...jobs.alerts.alerts import Change
from ...jobs.alerts.rules import in_words
from ...jobs.core.states import Turn
from ...jobs.leases import workers
from ...logs import get_logger
from ...mail.errors import NotSent
from ...mail.letters import Letter, one_line
from ...settings import get_settings
from ..mail import deliver_mail, post
from ..ssrf_guard import CallFailed
from ..webhooks import NotTaken, deliver_webhook
from .failure_notifications import mail_failures

log = get_logger(__name__)

#: actors whose own failures raise no alert: its notification would fail in turn
SILENT = frozenset({deliver_mail.actor_name, deliver_webhook.actor_name, mail_failures.actor_name})
#: seconds between delivery attempts from here; the job takes over once a worker is available
PAUSES_S = (5.0, 30.0, 60.0)
#: alerts listed in one mail; the others are counted
MOST = 20
SUBJECT_LENGTH = 200


@dataclass(slots=True)
class Notices:
    """Notifications under way, and those of them that no living worker will deliver."""

    mails: list[str] = field(default_factory=list)
    deliveries: list[str] = field(default_factory=list)
    urgent: list[Callable[[], object]] = field(default_factory=list)

    @property
    def is_urgent(self) -> bool:
        return bool(self.urgent)


def notify(session: Session, changes: Sequence[Change]) -> Notices:
    """Write the mails and deliveries for these changes, in the caller's transaction; never makes it fail."""
    notices = Notices()
    admins = get_settings().admins
    for turn in Turn:
        some = [change for change in changes if change.turn is turn]
        if some and admins:
            try:
                with session.begin_nested():
                    notices.mails.append(post(session, _letter(admins, turn, some)))
            except Exception:
                log.exception("alert_not_mailed")  # an invalid address, for instance: the alert itself stays
    try:
        with session.begin_nested():
            notices.deliveries = notifications.notify(session, changes)
    except Exception:
        log.exception("alert_not_delivered")
    served = workers.served(workers.alive(session))
    if deliver_mail.queue_name not in served:
        notices.urgent += [partial(deliver_mail.fn, id) for id in notices.mails]
    if deliver_webhook.queue_name not in served:
        notices.urgent += [partial(deliver_webhook.fn, id) for id in notices.deliveries]
    return notices


def deliver_here(notices: Notices) -> None:
    """Deliver what no worker will; failed deliveries wait for one. Raises nothing."""
    for deliver in notices.urgent:
        for pause in (*PAUSES_S, None):
            try:
                deliver()
                break
            except Exception as error:  # noqa: BLE001 - logged; the job of the same delivery continues with it
                log.warning("alert_not_delivered_yet", detail=f"{type(error).__name__}: {error}"[:300])
                if pause is None or not isinstance(error, NotSent | NotTaken | CallFailed):
                    break  # a retry from here would not help
                time.sleep(pause)


def _letter(admins: list[str], turn: Turn, changes: Sequence[Change]) -> Letter:
    first, word = changes[0], "Alert" if turn is Turn.BEGAN else "Recovered"
    after = f" after {in_words(first.at - first.began_at)}" if turn is Turn.RECOVERED else ""
    subject = f"{word}{after}: {first.text}" if len(changes) == 1 else f"{word}: {len(changes)} alerts, {first.text}"
    listed = [
        {"text": each.text, "began": f"{each.began_at:%Y-%m-%d %H:%M:%S} UTC", "ended": f"{each.at:%Y-%m-%d %H:%M:%S} UTC"}
        for each in changes[:MOST]
    ]
    context = {"changes": listed, "recovered": turn is Turn.RECOVERED, "others": max(0, len(changes) - MOST)}
    return Letter(to=admins, subject=one_line(subject, SUBJECT_LENGTH), template="alerts", context=context, list_name="alerts")
