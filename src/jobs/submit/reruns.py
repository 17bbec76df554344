"""Re-run: submit a job again as a new one, with the same arguments or others; both jobs link to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from dramatiq import Message
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..core.errors import JobsError, NotAllowed, UnknownJob
from ..core.models import Job
from ..options.job_options import lasting
from . import defaults
from .requests import Receipt, Submission
from .submission import new_id, submit_many

#: message options about delivery and follow-ups, which the new job does not inherit
OWN_OPTIONS = frozenset(
    {
        "attempt", "bulk_progress", "delay", "eta", "group_completion_callbacks", "group_completion_uuid", "on_failure", "on_retry_exhausted", "on_success", "pipe_ignore",
        "pipe_target", "redelivered", "requeue_timestamp", "retries", "stands_in", "traceback", "traceparent", "tracestate",
    }
)  # fmt: skip


def again(session: Session, id: str, *, by: str | None, key: str | None = None) -> Receipt:
    """Submit a new job of the same actor, queue, arguments and limits. `key`: an idempotency key."""
    job = _find(session, id)
    if job.actor is None or job.body is not None:
        raise NotAllowed("this is not a valid message and cannot run: discard it")
    options = {name: value for name, value in (job.options or {}).items() if name not in OWN_OPTIONS}
    message: Message[Any] = Message(job.queue, job.actor, tuple(job.args), dict(job.kwargs), options, message_id=new_id())
    return submit_again(session, job.id, Submission(message, submitted_by=by, idempotency_key=key, **lasting(job)))


def inherited(job: Any) -> dict[str, Any]:
    """Return the options that a re-run with other arguments takes over: not a fair key that the actor computes from them."""
    options = lasting(job)
    with suppress(JobsError):
        if options["fair_key"] == defaults.keys(job.actor, job.queue, job.args, job.kwargs).get("fair_key"):
            options["fair_key"] = None
    return options


def submit_again(session: Session, id: str, submission: Submission) -> Receipt:
    """Submit this as the re-run of a job."""
    [receipt] = submit_many(session, [replace(submission, source="re-run")])
    if receipt.created:
        session.execute(update(Job).where(Job.id == receipt.id).values(rerun_of=id).execution_options(synchronize_session=False))
    return receipt


def of(session: Session, id: str, *, limit: int = 20) -> Sequence[Mapping[str, Any]]:
    """Return the re-runs of a job, newest first: id and state of each."""
    statement = select(Job.id, Job.state).where(Job.rerun_of == id).order_by(Job.seq.desc()).limit(limit)
    return [{"id": id, "state": state} for id, state in session.execute(statement)]


def _find(session: Session, id: str) -> Job:
    job = session.execute(select(Job).where(Job.id == id)).scalars().first()
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return job
