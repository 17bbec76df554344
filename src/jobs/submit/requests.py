"""Submission and receipt: a message with its options before it becomes a row, and the answer to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from dramatiq import Message

from ..attempts.current_job import current_job
from ..core.states import State
from ..options.job_options import JobOptions, read_message
from ..options.message_options import OF_SUBMISSION


@dataclass(frozen=True, slots=True)
class Receipt:
    """Answer to a submission. `created` is False if a key matched an earlier job, whose id this is.

    `unique_key`: set if that was its unique key, and not the same submission again. `until`: when the key's period ends.
    """

    id: str
    state: State
    created: bool
    unique_key: str | None = None
    until: datetime | None = None

    @property
    def reason(self) -> str | None:
        """Why it made no job, if another one of its unique key exists."""
        if self.unique_key is None:
            return None
        until = "" if self.until is None else f", until {self.until:%Y-%m-%d %H:%M:%S} UTC"
        return f"a job of its unique key stands for it: {self.id}, {self.state}{until}"


@dataclass(frozen=True, slots=True)
class Submission(JobOptions):
    """One message with its options, and how to submit it; times are aware."""

    message: Message[Any]
    source: str = "send"
    submitted_by: str | None = None
    workflow_seq: int | None = None
    waits_for: str | None = None  # the resource that releases it, instead of an instant
    reason: str | None = None  # its waiting reason
    takes_results: bool = False  # its arguments still contain placeholders
    trace: Mapping[str, str] | None = None  # the trace context in which it was requested, if not the current one
    stands_in: str | None = None  # the id of the job that does its work
    parent_id: str | None = None  # the id of the job whose actor submits it, or that it follows


#: options of submit() beside the message
FIELDS = frozenset(field.name for field in fields(Submission)) - {"message"}


def submission_of(message: Message[Any], delay: int | None = None, **how: Any) -> Submission:
    """Build the submission from a message's options, overridden by `how`.

    `delay` in milliseconds; raises JobsError naming the invalid option.
    """
    said = message.options if delay is None else {**message.options, "delay": delay}
    if (running := current_job.job) is not None:
        how.setdefault("parent_id", running.id)
    if OF_SUBMISSION.isdisjoint(said):
        return Submission(message, **how)
    message = replace(message, options={name: value for name, value in message.options.items() if name not in OF_SUBMISSION})
    return Submission(message, **{**read_message(said), **how})
