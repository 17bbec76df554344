"""Calls of one task for each element of a list: map, starmap and chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from .shapes import group
from .signatures import Signature

#: names of the tasks that call another one for each element
MAP, STARMAP = "celery.map", "celery.starmap"


class _mapped(Signature):
    """Calls a task for each element of a list, within one job."""

    actor = ""

    def __init__(self, task: Any, it: Iterable[Any], app: Any = None, **options: Any) -> None:
        name = task if isinstance(task, str) else task["task"] if isinstance(task, Mapping) else task.name
        super().__init__(
            self.actor,
            (),
            {"task": name, "it": [list(each) if isinstance(each, tuple) else each for each in it]},
            options,
            subtask_type=self.kind,
            immutable=True,
        )

    @classmethod
    def of_dict(cls, described: Any) -> Signature:
        return cls(described["kwargs"]["task"], described["kwargs"]["it"], **described.get("options", {}))

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Call the task in this process."""
        return super().__call__()


class xmap(_mapped):
    """Calls a task with each element."""

    kind = "xmap"
    actor = MAP

    def __repr__(self) -> str:
        return f"[{self['kwargs']['task']}(x) for x in {self['kwargs']['it']!r:.60}]"


class xstarmap(_mapped):
    """Calls a task with the arguments of each element."""

    kind = "xstarmap"
    actor = STARMAP

    def __repr__(self) -> str:
        return f"[{self['kwargs']['task']}(*x) for x in {self['kwargs']['it']!r:.60}]"


class chunks(Signature):
    """Calls a task with the arguments of each element, `n` elements per job."""

    kind = "chunks"

    def __init__(self, task: Any, it: Iterable[Any], n: int, app: Any = None, **options: Any) -> None:
        name = task if isinstance(task, str) else task["task"] if isinstance(task, Mapping) else task.name
        super().__init__(
            "celery.chunks", (), {"task": name, "it": [list(each) for each in it], "n": n}, options, subtask_type=self.kind, immutable=True
        )

    @classmethod
    def of_dict(cls, described: Any) -> Signature:
        kwargs = described["kwargs"]
        return cls(kwargs["task"], kwargs["it"], kwargs["n"], **described.get("options", {}))

    def group(self) -> group:
        """Return the group of jobs, one for each `n` elements."""
        left = iter(self["kwargs"]["it"])
        parts = []
        while part := list(islice(left, self["kwargs"]["n"])):
            parts.append(xstarmap(self["kwargs"]["task"], part, **self.options))
        return group(parts)

    def apply_async(self, args: Any = None, kwargs: Any = None, route_name: Any = None, **options: Any) -> Any:
        return self.group().apply_async(**options)

    def apply(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        return self.group().apply()

    def __call__(self, *_: Any, **options: Any) -> Any:
        """Send it."""
        return self.apply_async(**options)
