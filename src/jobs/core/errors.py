"""What can be wrong with a request to the jobs room; each text names the field and the cure."""

from __future__ import annotations

from dramatiq.middleware import Interrupt


class JobsError(Exception):
    """Base of the errors a caller of the jobs room can cause and cure. `field` names the input at fault."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class UnknownJob(JobsError):
    """There is no job with this id: unknown, not pending."""


class AmbiguousId(JobsError):
    """Several jobs are meant by the part of an id; `candidates` are the ids of the newest of them."""

    def __init__(self, message: str, *, candidates: list[str]) -> None:
        super().__init__(message, field="id")
        self.candidates = candidates


class UnknownActor(JobsError):
    """No actor of this name is loaded."""


class InvalidArguments(JobsError):
    """The arguments do not fit the actor; `errors` maps a field to its message, `places` what is within them (`home.street`, `rooms.0.name`)."""

    def __init__(self, message: str, *, errors: dict[str, str], field: str | None = None, places: dict[str, str] | None = None) -> None:
        super().__init__(message, field=field or next(iter(errors), None))
        self.errors = errors
        self.places = places or {}


class NotAllowed(JobsError):
    """The job's state does not allow what was asked."""


class IdempotencyConflict(JobsError):
    """The idempotency key was used before for a different submission."""


class CancelRequested(Interrupt):
    """Raised inside an actor after a cancel, at once or at its next check-point; like SystemExit, not an Exception."""
