"""The states of a job and the one table of allowed moves.

Nobody assigns a state: a move is a compare-and-set in SQL on (job, state, attempt), so a late or repeated report
changes nothing. docs/reference/states.md draws this table; a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a job is on its path."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    HELD = "held"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        return self in FINAL

    @property
    def is_waiting(self) -> bool:
        return self in WAITING


class Outcome(StrEnum):
    """How one attempt ended. A job never fails: an attempt does."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"  # its worker died or was cut off
    CANCELLED = "cancelled"
    HELD = "held"  # the arguments did not fit the actor


class HeldFor(StrEnum):
    """What a held job needs before it can go on."""

    UNKNOWN_ACTOR = "unknown_actor"  # a worker that has the actor; it is released by itself when one appears
    ARGUMENTS = "arguments"  # a deploy that takes these arguments, which releases it by itself, or other arguments
    FOREIGN = "foreign"  # a person's word: nobody submitted it here
    UNREADABLE = "unreadable"  # nothing: it is no message, and can only be looked at and discarded


class Unique(StrEnum):
    """How long a job keeps others of its unique key out."""

    WAITING = "waiting"  # until it starts
    FINISHED = "finished"  # until it reaches a final state


class Wish(StrEnum):
    """What an operator wants of a worker process."""

    QUIET = "quiet"  # take nothing new, finish what it holds
    STOP = "stop"  # the same, and then end


class Turn(StrEnum):
    """The change of an alert that people and webhooks are notified of."""

    BEGAN = "began"
    RECOVERED = "recovered"


FINAL = frozenset({State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED})
WAITING = frozenset({State.SCHEDULED, State.QUEUED, State.RETRYING, State.HELD})

MOVES: dict[State, frozenset[State]] = {
    State.SCHEDULED: frozenset({State.QUEUED, State.CANCELLED, State.EXPIRED}),
    State.QUEUED: frozenset({State.RUNNING, State.SCHEDULED, State.HELD, State.CANCELLED, State.EXPIRED}),
    State.RUNNING: frozenset({State.SUCCEEDED, State.RETRYING, State.QUEUED, State.SCHEDULED, State.HELD, State.DEAD, State.CANCELLED}),
    State.RETRYING: frozenset({State.QUEUED, State.CANCELLED, State.EXPIRED}),
    State.HELD: frozenset({State.QUEUED, State.CANCELLED}),
    # A final state is left only by a person's retry.
    State.DEAD: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED, State.SCHEDULED}),  # scheduled: a step whose turn had not come
    State.EXPIRED: frozenset({State.QUEUED, State.SCHEDULED}),
    State.SUCCEEDED: frozenset(),
}


def allowed(source: State, target: State) -> bool:
    """May a job move from `source` to `target`?"""
    return target in MOVES[source]


def require(source: State, target: State) -> None:
    """Refuse, at import of the statement that makes it, a move the table does not have."""
    if not allowed(source, target):
        raise ValueError(f"No job may move from {source} to {target}; see MOVES in src/jobs/core/states.py")


def sources(target: State) -> frozenset[State]:
    """The states from which a job may move to `target`."""
    return frozenset(state for state, targets in MOVES.items() if target in targets)
