"""Documents of error groups: one with counts by day, and one with its newest failed attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from ...jobs.core.models import FailureGroup
from ...jobs.failures import groups
from ...jobs.failures.groups import Status
from ..format.document_fields import Instant
from ..format.instants import write_instant


class ErrorGroup(TypedDict):
    """Failures of one fingerprint."""

    fingerprint: str
    status: Status
    kind: Annotated[str, Field(description="the exception's type; WorkerLost: the infrastructure's group")]
    place: Annotated[str, Field(description="file:function, the innermost frame of application code")]
    message: Annotated[str, Field(description="without what varies between failures")]
    newest_error: Annotated[str | None, Field(description="the newest failure's own; null: deleted by retention")]
    actors: list[str]
    count: int
    days: Annotated[list[int], Field(description="failures of each of the last 14 days, UTC, oldest first")]
    first_seen_at: Instant
    last_seen_at: Instant


class FailedAttempt(TypedDict):
    """A failed attempt of a job."""

    job_id: str
    attempt: int
    worker: Annotated[str, Field(description="host:pid")]
    finished_at: Instant
    error: str | None
    traceback: str | None


class WholeErrorGroup(ErrorGroup):
    """An error group with its newest failed attempts."""

    newest: Annotated[list[FailedAttempt], Field(description="newest first; empty: deleted by retention")]


class ErrorGroups(TypedDict):
    """A page of error groups."""

    groups: list[ErrorGroup]
    next: Annotated[str | None, Field(description="pass it as `after`; null: the last page")]


def documents(session: Session, listed: Sequence[FailureGroup]) -> list[ErrorGroup]:
    """The documents of these groups, in their order."""
    messages, days = groups.newest_messages(session, listed), groups.by_day(session, listed)
    return [
        {
            "fingerprint": group.fingerprint, "status": groups.status(group), "kind": group.kind, "place": group.place, "message": group.message,
            "newest_error": messages.get(group.fingerprint), "actors": list(group.actors), "count": group.count, "days": days[group.fingerprint],
            "first_seen_at": write_instant(group.first_seen_at), "last_seen_at": write_instant(group.last_seen_at),
        }
        for group in listed
    ]  # fmt: skip


def document(session: Session, group: FailureGroup) -> ErrorGroup:
    """The document of one group."""
    return documents(session, [group])[0]


def whole(session: Session, group: FailureGroup) -> WholeErrorGroup:
    """The document of one group with its newest failed attempts."""
    newest: list[FailedAttempt] = [
        {
            "job_id": job.id, "attempt": attempt.number, "worker": attempt.worker, "finished_at": write_instant(attempt.finished_at),
            "error": attempt.error, "traceback": attempt.traceback,
        }
        for job, attempt in groups.samples(session, group.fingerprint)
    ]  # fmt: skip
    return {**document(session, group), "newest": newest}
