"""Tasks of this room: map, starmap, accumulate and chord_unlock, and backend_cleanup, which beat sends by itself."""

from __future__ import annotations

from typing import Any

from .. import states
from ..canvas.elements import MAP, STARMAP
from ..canvas.replacing import ACCUMULATE
from ..core import registry
from ..exceptions import ChordError
from ..result import AsyncResult
from . import declaration
from .task import Task

#: gathers the results of a chord's header; a job of its own only for chords of Celery's producers
CHORD_UNLOCK = "celery.chord_unlock"
#: entry that Celery's beat adds by itself
BACKEND_CLEANUP = "celery.backend_cleanup"
#: seconds until the header is looked at again, at most
LONGEST_PAUSE_S = 60


class _Map(Task):
    name = MAP

    def run(self, task: str, it: list[Any]) -> list[Any]:
        """Call a task with each element of a list."""
        return [registry.task(task)(each) for each in it]


class _Starmap(Task):
    name = STARMAP

    def run(self, task: str, it: list[Any]) -> list[Any]:
        """Call a task with the arguments of each element of a list."""
        return [registry.task(task)(*each) for each in it]


class _Accumulate(Task):
    name = ACCUMULATE

    def run(self, *values: Any, index: int | None = None) -> Any:
        """Return the values, or the one at `index`."""
        return list(values) if index is None else values[index]


class _ChordUnlock(Task):
    name = CHORD_UNLOCK
    max_retries = None

    def run(self, group: str, tasks: list[tuple[int, Any]]) -> list[Any]:
        """Return the results of a chord's header, in order, when all its tasks have succeeded; each task is an id, or a list of them."""
        return [self._result(task) for _, task in sorted(tasks, key=lambda each: each[0])]

    def _result(self, task: Any) -> Any:
        if isinstance(task, list):
            return [self._result(each) for each in task]
        result = AsyncResult(task)
        state = result.state
        if state in states.PROPAGATE_STATES:
            raise ChordError(f"Dependency {task} raised {result.result!r}")
        if state != states.SUCCESS:
            raise self.retry(countdown=min(LONGEST_PAUSE_S, 2**self.request.retries))
        return result.result


class _BackendCleanup(Task):
    name = BACKEND_CLEANUP

    def run(self) -> None:
        """Do nothing: retention deletes jobs and results."""


def declare() -> None:
    """Declare them, once."""
    for kind in (_Map, _Starmap, _Accumulate, _ChordUnlock, _BackendCleanup):
        if kind.name not in registry.tasks:
            task = kind()
            registry.tasks[kind.name] = task
            declaration.declare(task)
