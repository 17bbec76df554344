"""The states of a job and the one table of allowed moves.

A state is never assigned: a move is a compare-and-set in SQL on (job, state, attempt), so a late or repeated report
changes nothing. docs/reference/states.md draws this table; a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """State of a job."""

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
    """Outcome of one attempt. Jobs never fail: attempts do."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"  # its worker died or lost its connection
    CANCELLED = "cancelled"
    HELD = "held"  # the arguments did not fit the actor


class HeldFor(StrEnum):
    """Reason to hold a job, which determines how it can continue."""

    UNKNOWN_ACTOR = "unknown_actor"  # until a worker has the actor; it is then released automatically
    ARGUMENTS = "arguments"  # until a deploy accepts these arguments (released automatically), or they are edited
    FOREIGN = "foreign"  # until an operator approves it: it was not submitted here
    UNREADABLE = "unreadable"  # never: it cannot be decoded, only inspected and discarded


class Unique(StrEnum):
    """Period in which a job blocks others with its unique key."""

    WAITING = "waiting"  # until it starts
    FINISHED = "finished"  # until it reaches a final state


class Source(StrEnum):
    """The way in which a job was submitted."""

    API = "api"
    BROKER = "broker"  # a message that another program has published
    CALLBACK = "callback"
    COMMAND = "command"
    FAILURES = "failures"  # a failure mail
    FORM = "form"
    GROUP = "group"
    PIPELINE = "pipeline"
    RE_RUN = "re-run"
    SCHEDULE = "schedule"
    SEND = "send"
    SQL = "sql"  # the function submit() of PostgreSQL
    WEBHOOK = "webhook"
    WORKFLOW = "workflow"  # a step


class WorkerCommand(StrEnum):
    """Worker command of an operator."""

    QUIET = "quiet"  # take no new jobs, finish those it holds
    STOP = "stop"  # the same, and then exit


class Turn(StrEnum):
    """Change of an alert that people and webhooks are notified of."""

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
    # Only an operator's retry leaves a final state.
    State.DEAD: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED, State.SCHEDULED}),  # scheduled: a step whose turn had not come
    State.EXPIRED: frozenset({State.QUEUED, State.SCHEDULED}),
    State.SUCCEEDED: frozenset(),
}


def allowed(source: State, target: State) -> bool:
    """True if a job may move from `source` to `target`."""
    return target in MOVES[source]


def require(source: State, target: State) -> None:
    """Refuse a move that the table lacks, when the statement that makes it is imported."""
    if not allowed(source, target):
        raise ValueError(f"No job may move from {source} to {target}; see MOVES in src/jobs/core/states.py")


def listed(*words: StrEnum) -> str:
    """Return words as a list in SQL: ('queued', 'running')."""
    return f"({', '.join(repr(word.value) for word in words)})"


def sources(target: State) -> frozenset[State]:
    """Return the states from which a job may move to `target`."""
    return frozenset(state for state, targets in MOVES.items() if target in targets)
