"""Tasks of this room: map and starmap, which call another task for each element within one job, and accumulate."""

from __future__ import annotations

from typing import Any

from ..canvas.elements import MAP, STARMAP
from ..canvas.replacing import ACCUMULATE
from ..core import registry
from . import declaration
from .task import Task


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


def declare() -> None:
    """Declare them, once."""
    for kind in (_Map, _Starmap, _Accumulate):
        if kind.name not in registry.tasks:
            task = kind()
            registry.tasks[kind.name] = task
            declaration.declare(task)
