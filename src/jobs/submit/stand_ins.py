"""Stand-ins: jobs that take the result of the job that holds their unique key.

A pipeline, group or caller waits for the job whose id it knows. If that job's key is taken, its row waits for the key's
holder and then takes over its outcome: a worker claims it and uses that job's result instead of running the actor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...sql.direct import Direct
from ...sql.statements import Single
from ..core.envelopes import Envelope
from ..core.errors import NotAllowed
from ..core.models import Job
from ..core.release import take, taking
from ..core.states import FINAL, State, listed
from .requests import Submission
from .submission import submit_many

#: prefix of a stand-in's `waits_for`, followed by the other job's id
JOB = "job:"
_ENDED = listed(*sorted(FINAL))
# The other job has ended, or has been deleted since.
_MAY_GO = f"""
    waits_for >= '{JOB}' AND waits_for < '{JOB[:-1]};' AND state = '{State.SCHEDULED}'
    AND NOT EXISTS (SELECT 1 FROM jobs AS other WHERE other.id = substr(jobs.waits_for, {len(JOB) + 1}) AND other.state NOT IN {_ENDED})
"""
_FIND = Single(f"SELECT seq FROM jobs WHERE {_MAY_GO} LIMIT 1")
_RELEASE = taking(_MAY_GO, "seq", f"state = '{State.QUEUED}', reason = NULL, waits_for = NULL, published_at = NULL, publish_at = @(:again)")


def submit_following(session: Session, submissions: Sequence[Submission]) -> None:
    """Submit the follow-ups of a job; where others know the id of a follow-up and its key is taken, submit a stand-in."""
    for given, receipt in zip(submissions, submit_many(session, submissions), strict=True):
        if receipt.id != given.message.message_id and given.source != "callback":
            submit(session, given, receipt.id)


def submit(session: Session, given: Submission, other: str) -> None:
    """Insert the stand-in of a submission whose key matched another job."""
    reason = f"job {other} of the same key does its work; waits for the end of that"
    submit_many(
        session, [replace(given, stands_in=other, waits_for=f"{JOB}{other}"[:255], reason=reason, unique_key=None, idempotency_key=None, due_at=None)]
    )  # fmt: skip


def refuse_early_start(session: Session, id: str) -> None:
    """Raise NotAllowed for a stand-in whose other job has not ended: started now, it would be dead for want of a result."""
    options = session.execute(select(Job.options).where(Job.id == id)).scalar() or {}
    other = options.get("stands_in")
    state = None if other is None else session.execute(select(Job.state).where(Job.id == other)).scalar()
    if state is not None and not state.is_final:
        raise NotAllowed(f"job {other} of the same key does its work and is {state}: this one ends when that has ended")


def may_go(session: Session | Direct) -> bool:
    """True if the job of some stand-in has ended."""
    return bool(_FIND.fetch(session))


def release(session: Session, limit: int = 500) -> list[Envelope]:
    """Queue the stand-ins whose jobs have ended, and return their messages for the caller to publish."""
    return take(session, _RELEASE, limit)
