"""Shapes: chain, group and chord."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...jobs.submit.submission import new_id
from ...keywords import positional
from ..core import registry
from ..result import GroupResult
from .signatures import Entry, Signature, linked


class _Several(Signature):
    """A shape whose only argument is its list of tasks."""

    @classmethod
    def of_dict(cls, described: Any) -> Signature:
        made = cls(*described["kwargs"]["tasks"]) if described["kwargs"]["tasks"] else cls([])
        made.update(
            args=tuple(described.get("args") or ()),
            options=dict(described.get("options") or {}),
            immutable=described.get("immutable", False),
        )
        return made

    tasks: Any = Entry("kwargs", "tasks")

    def _links(self, options: Mapping[str, Any]) -> tuple[list[Signature], list[Signature]]:
        """Return its own callbacks and error callbacks, with those of a call."""
        both = [[*linked(self.options, key), *linked(options, key)] for key in ("link", "link_error")]
        return both[0], both[1]


def _linked(task: Signature, callbacks: Iterable[Signature], errbacks: Iterable[Signature]) -> Signature:
    """Return the task with these callbacks beside its own."""
    copy = task.clone()
    for callback in callbacks:
        copy.link(callback)
    for errback in errbacks:
        copy.link_error(errback)
    return copy


class chain(_Several):
    """Tasks that run one after the other, each with the result of the one before. A group followed by a task is a chord."""

    kind = "chain"

    def __init__(self, *tasks: Any, app: Any = None, **options: Any) -> None:
        given = tasks[0] if len(tasks) == 1 and not isinstance(tasks[0], Mapping) else tasks
        super().__init__("celery.chain", (), {"tasks": _upgraded(map(Signature.from_dict, given))}, options, subtask_type=self.kind)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Send it."""
        return self.apply_async(args, kwargs)

    def apply(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Run it in this process."""
        last: Any = None
        callbacks, errbacks = self._links(options)
        for number, each in enumerate(self.tasks):
            if number and not last.successful():
                return last
            task = _linked(each, callbacks if number == len(self.tasks) - 1 else [], errbacks)
            given = (*positional(args), *self.args) if number == 0 else (last.get(),)
            result = task.apply(given, kwargs if number == 0 else None)
            result.parent = last
            last = result
        return last

    def link_error(self, errback: Any) -> Any:
        """Add an error callback, which runs once for the chain; returns it."""
        return (
            self.tasks[0].link_error(errback) if len(self.tasks) == 1 and isinstance(self.tasks[0], chord) else super().link_error(errback)
        )

    def unchain_tasks(self) -> list[Signature]:
        return [task.clone() for task in self.tasks]

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.tasks))


class group(_Several):
    """Tasks that run side by side; the result is the list of theirs."""

    kind = "group"

    def __init__(self, *tasks: Any, app: Any = None, **options: Any) -> None:
        given: Any = tasks[0] if len(tasks) == 1 else tasks
        if isinstance(given, group):
            given = given.tasks
        elif isinstance(given, Mapping):
            given = [given]
        super().__init__("celery.group", (), {"tasks": [Signature.from_dict(each) for each in given]}, options, subtask_type=self.kind)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Send it with these arguments before those of each task."""
        return self.apply_async(args, **options)

    def apply(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Run it in this process."""
        given = (*positional(args), *self.args)
        links = self._links(options)
        return GroupResult(new_id(), [_linked(task, *links).apply(given, kwargs) for task in self.unrolled()])

    def unrolled(self) -> Iterator[Signature]:
        """Yield its tasks without empty chains, and in place of a group within it the tasks of that one."""
        for task in self.tasks:
            if type(task) is not group:
                if type(task) is not chain or task.tasks:
                    yield task
                continue
            for inner in task.unrolled():
                yield inner.clone(task.args, **task.options) if task.args or task.options else inner

    def link(self, callback: Any) -> Any:
        """Add the callback to the first task, as Celery does; use a chord for one that gets all results."""
        return self.tasks[0].link(Signature.from_dict(callback).clone().set(immutable=True)) if self.tasks else None

    def link_error(self, errback: Any) -> Any:
        """Add the error callback to each task."""
        for task in self.tasks:
            task.link_error(errback)
        return errback

    def set_immutable(self, immutable: bool) -> None:
        for task in self.tasks:
            task.set_immutable(immutable)

    def skew(self, start: float = 1.0, stop: float | None = None, step: float = 1.0) -> group:
        """Give the tasks ascending countdowns up to `stop`, which the others get, too; returns itself."""
        value = start
        for task in self.tasks:
            task.set(countdown=value)
            if not stop or value + step <= stop:
                value += step
        return self

    def __or__(self, other: Any) -> Any:
        """Make it the header of a chord; an empty group adds nothing."""
        if isinstance(other, group) and _is_empty(other):
            return self
        return chord(self, other) if isinstance(other, Mapping) else NotImplemented

    def freeze(self, _id: str | None = None, **_: Any) -> Any:
        return GroupResult(_id or new_id(), [task.freeze() for task in self.tasks])

    def __len__(self) -> int:
        return len(self.tasks)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"group([{', '.join(map(repr, self.tasks))}])"


class chord(Signature):
    """A group, the header, and a task that runs with the list of its results, the body."""

    kind = "chord"

    def __init__(
        self, header: Any, body: Any = None, task: str = "celery.chord", args: Any = (), kwargs: Any = None, app: Any = None, **options: Any
    ) -> None:
        listed = [header] if isinstance(header, Mapping) else header
        made = header if isinstance(header, group) else group([Signature.from_dict(each).clone() for each in listed])
        super().__init__(
            task, args, {**(kwargs or {}), "header": made, "body": None if body is None else Signature.from_dict(body)}, options,
            subtask_type=self.kind,
        )  # fmt: skip

    @classmethod
    def of_dict(cls, described: Any) -> Signature:
        kwargs = described["kwargs"]
        made = cls(group.of_dict(kwargs["header"]) if isinstance(kwargs["header"], Mapping) else kwargs["header"], kwargs.get("body"))
        made.update(
            args=tuple(described.get("args") or ()),
            options=dict(described.get("options") or {}),
            immutable=described.get("immutable", False),
        )
        return made

    header: Any = Entry("kwargs", "header")
    tasks: Any = Entry("kwargs", "header", "kwargs", "tasks")
    body: Any = Entry("kwargs", "body")

    def __call__(self, body: Any = None, **options: Any) -> Any:
        """Send it, with this body if one is given."""
        return self.apply_async(body=body, **options)

    def apply_async(self, args: Any = None, kwargs: Any = None, route_name: Any = None, body: Any = None, **options: Any) -> Any:
        return super().apply_async(args, kwargs, **options) if body is None else self._with(body).apply_async(args, kwargs, **options)

    def apply(self, args: Any = None, kwargs: Any = None, body: Any = None, **options: Any) -> Any:
        """Run it in this process."""
        whole = self if body is None else self._with(body)
        header = whole.header.apply((*positional(args), *self.args))
        result = whole.required_body().apply((header.get(),))
        result.parent = header
        return result

    def required_body(self) -> Signature:
        body: Signature | None = self.body
        if body is None:
            raise ValueError("A chord needs a body: chord(header)(body), or chord(header, body).")
        return body

    def link(self, callback: Any) -> Any:
        """Add the callback to the body."""
        return self.required_body().link(callback)

    def link_error(self, errback: Any) -> Any:
        """Add the error callback to the body, which fails if the header does; to its tasks, too, with task_allow_error_cb_on_chord_header."""
        if registry.app().conf["task_allow_error_cb_on_chord_header"]:
            self.header.link_error(errback)
        return self.required_body().link_error(errback)

    def freeze(self, _id: str | None = None, **_: Any) -> Any:
        result = self.required_body().freeze(_id)
        result.parent = self.header.freeze()
        return result

    def _with(self, body: Any) -> chord:
        whole = chord(self.header, body)
        whole.update(args=self.args, options=dict(self.options))
        return whole

    def __repr__(self) -> str:
        return f"%{self.task}([{', '.join(map(repr, self.tasks))}], {self.body!r})"


def _upgraded(tasks: Iterable[Signature]) -> list[Signature]:
    """Return the tasks of a chain without chains and empty groups in it.

    A group that a task follows becomes the header of a chord, a group of one task that task.
    """
    found: list[Signature] = []
    for task in tasks:
        for each in task.tasks if type(task) is chain and not task.options and not task.args else [_only(task)]:
            if found and _is_empty(each):
                continue
            if found and _is_empty(found[-1]):
                found[-1] = each
            elif found and type(found[-1]) is group:
                found.append(chord(found.pop(), each))
            else:
                found.append(each)
    return found


def _is_empty(task: Signature) -> bool:
    return type(task) is group and not task.tasks


def _only(task: Signature) -> Signature:
    """Return the task of a group that has a single one; others stay."""
    tasks = list(task.unrolled()) if type(task) is group else []
    if len(tasks) != 1:
        return task
    return tasks[0].clone(task.args, **task.options) if task.args or task.options else tasks[0]
