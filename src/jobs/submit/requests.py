"""Submission and receipt: a message with its options before it becomes a row, and the answer to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dramatiq import Message

from ..core.options import OF_SUBMISSION, instant
from ..core.states import State, Unique


@dataclass(frozen=True, slots=True)
class Receipt:
    """Answer to a submission. `created` is False if a key matched an earlier job, whose id this is."""

    id: str
    state: State
    created: bool


@dataclass(frozen=True, slots=True)
class Submission:
    """One message and how to submit it; times are aware."""

    message: Message[Any]
    due_at: datetime | None = None
    expires_at: datetime | None = None
    unique_key: str | None = None
    unique_until: Unique | None = None
    unique_for: timedelta | None = None  # a period from now on, whatever the job's state
    idempotency_key: str | None = None
    priority: int | None = None
    fair_key: str | None = None
    source: str = "send"
    submitted_by: str | None = None
    workflow_seq: int | None = None
    waits_for: str | None = None  # the resource that releases it, instead of an instant
    reason: str | None = None  # its waiting reason
    takes_results: bool = False  # its arguments still contain placeholders
    trace: Mapping[str, str] | None = None  # the trace context in which it was requested, if not the current one
    stands_in: str | None = None  # the id of the job that does its work


def submission_of(message: Message[Any], delay: int | None = None, **how: Any) -> Submission:
    """Build the submission from a message's options, overridden by `how`.

    `delay` in milliseconds; raises JobsError naming the invalid option.
    """
    said = message.options
    asked: dict[str, Any] = {}
    if not OF_SUBMISSION.isdisjoint(said):
        message = replace(message, options={name: value for name, value in said.items() if name not in OF_SUBMISSION})
        asked = {name: said[name] for name in ("unique_key", "idempotency_key", "fair_key") if said.get(name) is not None}
        asked["priority"] = said.get("priority", said.get("broker_priority"))
        delay = said.get("delay") if delay is None else delay
        if said.get("eta") is not None:
            asked["due_at"] = instant(said["eta"], "eta")
        if said.get("expires") is not None:
            asked["expires_at"] = instant(said["expires"], "expires")
    if delay is not None and "due_at" not in asked:
        asked["due_at"] = instant(delay, "delay")
    return Submission(message, **{**asked, **how})
