"""A claimed job: what a worker process gets of a job whose lease it has taken."""

from __future__ import annotations

from typing import NamedTuple


class Claimed(NamedTuple):
    """A job this worker may run now: attempt number `attempt` is its own until its lease ends. JSON columns are texts."""

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
    frees_key: bool | None  # its unique key is free from its start on
    is_fair: bool | None  # it takes part in fair shares of its queue
    is_watched: bool | None  # an operator has set something, maybe about this job
    has_slots: bool = False  # it takes slots of a concurrency limit
    is_probe: bool = False  # it starts while its actor's circuit breaker is open
