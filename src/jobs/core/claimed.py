"""A claimed job: the data that a worker process receives when it takes a job's lease."""

from __future__ import annotations

from typing import NamedTuple


class Claimed(NamedTuple):
    """A job that this worker may run now: attempt number `attempt` is its own until its lease ends. JSON columns are strings."""

    seq: int
    id: str
    attempt: int
    actor: str
    queue: str
    args: str
    kwargs: str
    options: str
    failures: int
    crashes: int
    created_us: int
    published_us: int | None
    due_us: int | None
    slot_us: int | None
    workflow_seq: int | None
    frees_key: bool | None  # its unique key is freed when it starts
    is_fair: bool | None  # it counts towards its queue's fair shares
    is_watched: bool | None  # an operator's override may concern this job
    has_slots: bool = False  # it holds slots of a concurrency limit
    is_probe: bool = False  # it starts while its actor's circuit breaker is open
