"""Failure notifications by mail: one per error group with a count, then a quiet period, then its recovery."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dramatiq
from sqlalchemy.orm import Session

from ...formats.quantities import number
from ...jobs import submit
from ...jobs.alerts.rules import in_words
from ...jobs.core.fingerprints import LOST
from ...jobs.core.models import Attempt, FailureGroup, Job
from ...jobs.core.states import Unique
from ...jobs.failures import counting, occurrences
from ...mail.letters import Letter, one_line
from ...settings import get_settings
from ...sql.database import write
from ..mail import deliver_mail, post

#: groups listed in one mail; the others are counted, and listed the next time
MOST_GROUPS = 20
#: lines at the end of a traceback that a mail shows
LINES = 12
#: characters of a subject
SUBJECT_LENGTH = 200


@dramatiq.actor(queue_name="mail", concurrency=1, max_retries=3)
def mail_failures() -> dict[str, int]:
    """Count new failures, and mail the admins about those that matter.

    Failed attempts are grouped by the exception's type, the place in the code and what the message says. A group is mailed once, with
    its count; then again only if it continues after a quiet period; and when it has recovered.
    """
    counted = 0
    while True:
        with write() as session:
            new = counting.note_new(session)
        counted += new
        if new < counting.AT_ONCE:
            break
    with write() as session:
        # A failure to deliver mail cannot be reported by mail.
        silent = {mail_failures.actor_name, deliver_mail.actor_name}
        mailed = counting.to_mail(session, except_actors=silent)[:MOST_GROUPS]
        admins = get_settings().admins
        if admins and mailed:
            post(session, _letter(session, admins, mailed))
        counting.note_mailed(session, mailed)
        recovered = counting.recover(session, except_actors=silent)
        if admins and recovered:
            post(session, _good_news(admins, recovered))
        again_at = counting.next_check(session)
        if again_at is not None and admins:
            submit(
                session,
                mail_failures.message(),
                due_at=again_at,
                unique_key="failures:again",
                unique_until=Unique.WAITING,
                source="failures",
            )
    return {"counted": counted, "told": len(mailed), "recovered": len(recovered)}


def _letter(session: Session, admins: list[str], groups: list[FailureGroup]) -> Letter:
    described = [_described(session, group) for group in groups]
    first = described[0]
    again = " again" if groups[0].mailed_at is not None else ""
    if len(groups) == 1:
        subject = f"{first['title']} in {first['where']}{again} ({_times(first['new'])})"
    else:
        subject = f"{len(groups)} kinds of failures ({_times(sum(each['new'] for each in described))})"
    context = {"groups": described, "quiet": in_words(timedelta(minutes=get_settings().failure_mail_quiet))}
    return Letter(to=admins, subject=one_line(subject, SUBJECT_LENGTH), template="failures", context=context, list_name="failures")


def _good_news(admins: list[str], groups: list[FailureGroup]) -> Letter:
    described = [
        {"title": _title(group), "where": _where(group), "count": group.count, "last": _instant(group.last_seen_at)} for group in groups
    ]
    first = described[0]
    subject = f"Recovered: {first['title']} in {first['where']}" if len(groups) == 1 else f"Recovered: {len(groups)} kinds of failures"
    return Letter(
        to=admins, subject=one_line(subject, SUBJECT_LENGTH), template="recovered", context={"groups": described}, list_name="failures"
    )


def _described(session: Session, group: FailureGroup) -> dict[str, Any]:
    known = counting.sample(session, group)
    jobs, is_more = occurrences.jobs(session, group.fingerprint, since=group.opened_at)
    return {
        "title": _title(group),
        "where": _where(group),
        "message": group.message,
        "place": group.place,
        "actors": ", ".join(group.actors),
        "new": group.count - (group.mailed_count if group.mailed_at is not None else group.count_before),
        "count": group.count,
        "first": _instant(group.opened_at),
        "last": _instant(group.last_seen_at),
        "jobs": ", ".join(f"{count}{'+' if is_more else ''} {state}" for state, count in sorted(jobs.items())),
        "sample": None if known is None else _sample(*known),
        "fingerprint": group.fingerprint,
    }


def _sample(job: Job, attempt: Attempt) -> dict[str, str]:
    return {"id": job.id, "error": attempt.error or "", "traceback": _end_of(attempt.traceback)}


def _title(group: FailureGroup) -> str:
    return "A worker was lost" if group.kind == LOST else group.kind


def _where(group: FailureGroup) -> str:
    return group.actors[0] if len(group.actors) == 1 else group.place


def _end_of(traceback: str | None) -> str:
    lines = (traceback or "").rstrip().splitlines()
    return "\n".join((["…"] if len(lines) > LINES else []) + lines[-LINES:])


def _times(count: int) -> str:
    return "once" if count == 1 else f"{number(count, separator=' ')} times"


def _instant(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC"
