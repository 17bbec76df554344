"""Errors of requests to the jobs room; each message names the field and the cure."""

from __future__ import annotations

from dramatiq.middleware import Interrupt


class JobsError(Exception):
    """Base of errors that a caller of the jobs room can cause and fix. `field` names the invalid input."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class UnknownJob(JobsError):
    """No job has this id. Not the same as pending."""


class AmbiguousId(JobsError):
    """Several jobs match the partial id; `candidates` are the newest ids."""

    def __init__(self, message: str, *, candidates: list[str]) -> None:
        super().__init__(message, field="id")
        self.candidates = candidates


class UnknownActor(JobsError):
    """No actor of this name is loaded."""


class InvalidArguments(JobsError):
    """The arguments do not fit the actor; `errors` maps a field to its message, `places` locations within it (`home.street`, `rooms.0.name`)."""

    def __init__(self, message: str, *, errors: dict[str, str], field: str | None = None, places: dict[str, str] | None = None) -> None:
        super().__init__(message, field=field or next(iter(errors), None))
        self.errors = errors
        self.places = places or {}

    @property
    def located(self) -> dict[str, str]:
        """The messages by location within the field where it has some, else by field."""
        found: dict[str, str] = {}
        for name, text in self.errors.items():
            found |= {place: said for place, said in self.places.items() if place.startswith(f"{name}.")} or {name: text}
        return found


class NotAllowed(JobsError):
    """The job's state does not allow the action."""


class WrongSession(JobsError):
    """The session cannot take a job into its transaction; the text names the cure."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field="session")


class IdempotencyConflict(JobsError):
    """The idempotency key, or the id of the message, has been used for a different submission."""


class CancelRequested(Interrupt):
    """Raised inside an actor after a cancel, at once or at its next check-point; like SystemExit, not an Exception."""
