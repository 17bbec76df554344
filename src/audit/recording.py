"""Recording of audit entries: begun where a request or command enters, written by the first commit that follows."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event, insert
from sqlalchemy.orm import Session

from ..sql.clock import now
from .models import AuditEntry, Outcome, Via

#: subjects of one action that get an entry each; with more, a single entry gives their number
ENTRIES_PER_ACTION = 200


@dataclass(slots=True)
class PendingEntry:
    """An action under way: who does what to which subject. `subject` may be a short name, which `about` replaces with the full one."""

    who: str
    via: Via
    action: str
    who_key: str | None = None
    role: str | None = None
    address: str | None = None
    kind: str | None = None
    subject: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    touched: dict[str, list[str]] = field(default_factory=dict)

    def touch(self, kind: str, subject: str | int, **details: Any) -> None:
        """Add a subject to the action."""
        self.touched.setdefault(kind, []).append(str(subject))
        self.details |= details

    def leave(self, kind: str, subject: str) -> None:
        """Remove a subject again, which the action has left alone."""
        if subject in self.touched.get(kind, ()):
            self.touched[kind].remove(subject)


_under_way: ContextVar[PendingEntry | None] = ContextVar("callboard_audit_entry", default=None)


def begin(entry: PendingEntry) -> None:
    """Begin an action of this thread: its next commit writes the entry."""
    _under_way.set(entry)


def end() -> None:
    """End the action, done or not."""
    _under_way.set(None)


def is_under_way() -> bool:
    """True if this thread's changes belong to an action."""
    return _under_way.get() is not None


def about(kind: str, subject: str | int, **details: Any) -> None:
    """Name the subject of the action under way in full, with details worth recording; does nothing outside an action.

    Called by the code that makes the change, so that every path to it is recorded. Never pass a secret or a payload.
    """
    entry = _under_way.get()
    if entry is not None:
        entry.touch(kind, subject, **details)


def take() -> PendingEntry | None:
    """Take over the action under way, to write its entry in another thread's transaction; this thread's commits write none."""
    entry = _under_way.get()
    _under_way.set(None)
    return entry


def record(session: Session, *entries: PendingEntry, outcome: Outcome = Outcome.DONE, reason: str | None = None) -> None:
    """Write audit entries in the caller's transaction."""
    if entries:
        session.execute(insert(AuditEntry), [line for entry in entries for line in _lines(entry, outcome, reason)])


def _lines(entry: PendingEntry, outcome: Outcome, reason: str | None) -> list[dict[str, Any]]:
    present, shared = (
        now(),
        {"who": entry.who[:150], "who_key": entry.who_key, "role": entry.role, "via": entry.via, "address": entry.address},
    )
    details = {name: value for name, value in entry.details.items() if value is not None}
    for name, names in entry.touched.items():
        if name != entry.kind:
            details |= {name: names[0]} if len(names) == 1 else {f"{name}s": len(names)}
    subjects: list[str | None] = list(dict.fromkeys(entry.touched.get(entry.kind or "", ()))) or [entry.subject]
    if len(subjects) > ENTRIES_PER_ACTION:
        details |= {"number": len(subjects), "first": subjects[0], "last": subjects[-1]}
        subjects = [None]
    return [
        {
            **shared, "at": present, "action": entry.action[:64], "kind": entry.kind, "subject": subject[:255] if subject else None,
            "outcome": outcome, "reason": reason[:500] if reason else None, "details": details or None,
        }
        for subject in subjects
    ]  # fmt: skip


@event.listens_for(Session, "before_commit")
def _write_down(session: Session) -> None:
    if _under_way.get() is not None and not session.in_nested_transaction():
        # Written once: a later commit of the same request (its second step) already has its entry.
        entry = take()
        assert entry is not None
        record(session, entry)
