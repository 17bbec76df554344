"""Renewal of a worker's lease: its heartbeat, and what SQL has for the worker, on one direct connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...sql.direct import Direct
from ..attempts import stacks
from ..core.states import WorkerCommand
from . import claims, worker_commands, workers


class Renewal(NamedTuple):
    """Answer to one renewal. `alive` False: the jobs were taken over meanwhile."""

    alive: bool
    command: WorkerCommand | None
    stacks: set[tuple[int, int]]  # (seq, attempt) whose stack is requested
    retaken: list[int]  # seqs of held jobs whose claims the database had lost


def renew(direct: Direct, worker_id: int, *, held: Callable[[], Mapping[tuple[int, int], str]], **state: Any) -> Renewal:
    """Renew the lease with this state of the process, and claim again what it holds and the database has lost.

    `held`: its (seq, attempt) with their ids, read after the lease, so that a job handed back before is not among them.
    """
    alive = workers.heartbeat(direct, worker_id, **state)
    retaken = claims.retake(direct, worker_id, held()) if alive else []
    return Renewal(alive, worker_commands.of(direct, worker_id), stacks.take(direct, worker_id), retaken)
