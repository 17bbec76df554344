"""Signature: one call of a task as a dictionary, which JSON can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import reduce
from operator import getitem
from typing import Any, ClassVar

from ...hooks import Hook
from ...jobs.submit.submission import new_id
from ...keywords import named, positional
from ..core import messages, registry
from ..result import AsyncResult

#: key with the id that freeze() gave a signature
FROZEN = "frozen"
#: sends a signature with arguments and options; canvas/__init__.py connects layout.send
sender: Hook[Callable[[Any, Iterable[Any], Mapping[str, Any], Mapping[str, Any]], Any]] = Hook("celery_sender")
#: stamps a signature; canvas/__init__.py connects stamping.stamp
stamper: Hook[Callable[[Any, Any, bool, Mapping[str, Any]], None]] = Hook("celery_stamper")


class Entry:
    """Attribute of a signature that is an entry of its dictionary, or of a dictionary in it: changes made to it stay."""

    def __init__(self, *path: str) -> None:
        *self._way, self._key = path

    def __get__(self, signature: Any, owner: Any = None) -> Any:
        return self if signature is None else self._place(signature).get(self._key)

    def __set__(self, signature: Any, value: Any) -> None:
        self._place(signature)[self._key] = value

    def _place(self, signature: Any) -> Any:
        return reduce(getitem, self._way, signature)


class Signature(dict[str, Any]):
    """A task with arguments and options. Shapes (chain, group …) are signatures of their own type."""

    TYPES: ClassVar[dict[str, type[Signature]]] = {}
    kind: ClassVar[str | None] = None

    def __init_subclass__(cls, **_: Any) -> None:
        if cls.kind is not None:
            cls.TYPES[cls.kind] = cls

    def __init__(
        self, task: Any = None, args: Any = None, kwargs: Any = None, options: Any = None, type: Any = None, subtask_type: str | None = None,
        immutable: bool = False, app: Any = None, **more: Any,
    ) -> None:  # fmt: skip
        if isinstance(task, Mapping):
            super().__init__(deepcopy(dict(task)))
            return
        super().__init__(
            task=task if isinstance(task, str) or task is None else task.name,
            args=positional(args),
            kwargs=named(kwargs),
            options={**(options or {}), **more},
            subtask_type=subtask_type,
            immutable=immutable,
        )
        messages.check(self["options"])

    @classmethod
    def from_dict(cls, described: Any, app: Any = None) -> Signature:
        """Return the signature that a dictionary describes, of its own type; one that is a signature stays."""
        if isinstance(described, Signature):
            return described
        if not isinstance(described, Mapping):
            return Signature(described)  # a task
        kind = cls.TYPES.get(described.get("subtask_type") or "")
        if kind is None:
            return Signature(described)
        made = kind.of_dict(described)
        made.update({FROZEN: described[FROZEN]} if FROZEN in described else {})
        return made

    @classmethod
    def of_dict(cls, described: Any) -> Signature:
        raise NotImplementedError

    task: Any = Entry("task")
    args: Any = Entry("args")
    kwargs: Any = Entry("kwargs")
    options: Any = Entry("options")
    subtask_type: Any = Entry("subtask_type")
    immutable: Any = Entry("immutable")
    id: Any = Entry("options", "task_id")
    parent_id: Any = Entry("options", "parent_id")
    root_id: Any = Entry("options", "root_id")

    @property
    def name(self) -> str:
        return str(self.task)

    @property
    def type(self) -> registry.Known:
        """The task itself; raises NotRegistered."""
        return registry.task(self.task)

    @property
    def app(self) -> Any:
        """The current application."""
        return registry.app()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the task's function in this process."""
        args, kwargs, _ = self.merged(args, kwargs)
        return self.type(*args, **kwargs)

    def delay(self, *args: Any, **kwargs: Any) -> Any:
        """Send it, with these arguments before its own."""
        return self.apply_async(args, kwargs)

    def apply_async(self, args: Any = None, kwargs: Any = None, route_name: Any = None, **options: Any) -> Any:
        """Send it, with these arguments before its own and these options over its own."""
        task: Any = registry.find(self.task) if type(self) is Signature else None
        if getattr(task, "overrides_sending", False):
            args, kwargs, options = self.merged(args, kwargs, options)
            return task.apply_async(args, kwargs, **options)
        return self.send(args, kwargs, **options)

    def send(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send it as apply_async() does that no application overrides."""
        return sender.part(self, positional(args), named(kwargs), options)

    def apply(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Run it in this process, and its links; return an EagerResult."""
        args, kwargs, options = self.merged(args, kwargs, options)
        return self.type.apply(args, kwargs, **options)

    def merged(self, args: Any = None, kwargs: Any = None, options: Any = None) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
        """Return arguments and options with these added; an immutable one keeps its arguments."""
        whole = {**self.options, **(options or {})}
        if self.immutable:
            return tuple(self.args), dict(self.kwargs), whole
        return (*positional(args), *self.args), {**self.kwargs, **named(kwargs)}, whole

    def clone(self, args: Any = None, kwargs: Any = None, **options: Any) -> Signature:
        """Return a copy with these arguments and options added."""
        copy = Signature.from_dict(deepcopy(dict(self)))
        args, kwargs, whole = self.merged(args, kwargs, options)
        copy.update(args=args, kwargs=deepcopy(kwargs), options=deepcopy(whole))
        return copy

    partial = clone

    def set(self, immutable: bool | None = None, **options: Any) -> Signature:
        """Set options; returns itself."""
        if immutable is not None:
            self.set_immutable(immutable)
        messages.check(options)
        self.options.update(options)
        return self

    def set_immutable(self, immutable: bool) -> None:
        self["immutable"] = immutable

    def replace(self, args: Any = None, kwargs: Any = None, options: Any = None) -> Signature:
        """Return a copy with these in place of its own."""
        copy = self.clone()
        for name, value in (("args", args), ("kwargs", kwargs), ("options", options)):
            if value is not None:
                copy[name] = value
        return copy

    def link(self, callback: Any) -> Any:
        """Add a task that runs with the result; returns it."""
        return self._add("link", callback)

    def link_error(self, errback: Any) -> Any:
        """Add a task that runs after a failure; returns it."""
        return self._add("link_error", errback)

    def on_error(self, errback: Any) -> Signature:
        """Add a task that runs after a failure; returns this signature."""
        self.link_error(errback)
        return self

    def flatten_links(self) -> list[Signature]:
        """Return itself and every task that follows by link()."""
        return [self, *(each for link in linked(self.options, "link") for each in link.flatten_links())]

    def freeze(self, _id: str | None = None, **_: Any) -> Any:
        """Give it the id of its job before it is sent; returns the result."""
        self.options["task_id"] = self[FROZEN] = _id or self.id or new_id()
        return AsyncResult(self.options["task_id"], task_name=self.task)

    def reprcall(self, *args: Any, **kwargs: Any) -> str:
        args, kwargs, _ = self.merged(args, kwargs)
        return f"{self.task}({', '.join([*map(repr, args), *(f'{name}={value!r}' for name, value in kwargs.items())])})"

    def _add(self, key: str, task: Any) -> Any:
        listed = self.options.setdefault(key, [])
        if not isinstance(listed, list):
            listed = self.options[key] = list(listed) if isinstance(listed, tuple) else [listed]
        if task not in listed:
            listed.append(task)
        return task

    def stamp(self, visitor: Any = None, append_stamps: bool = False, **headers: Any) -> Signature:
        """Add stamps, which `self.request.stamps` returns, to it and its parts; returns itself."""
        stamper.part(self, visitor, append_stamps, headers)
        return self

    def __or__(self, other: Any) -> Any:
        """Chain it with another one."""
        return NotImplemented if not isinstance(other, Mapping) else Signature.TYPES["chain"](self, Signature.from_dict(other))

    def __ror__(self, other: Any) -> Any:
        return Signature.TYPES["chain"](Signature.from_dict(other), self)

    def __invert__(self) -> Any:
        """Send it and wait for its result."""
        return self.apply_async().get()

    def __deepcopy__(self, memo: Any) -> Signature:
        return Signature.from_dict(deepcopy(dict(self), memo))

    def __reduce__(self) -> Any:
        return Signature.from_dict, (dict(self),)

    def __repr__(self) -> str:
        return self.reprcall()


def linked(options: Mapping[str, Any], key: str) -> list[Signature]:
    """Return the signatures of `link` or `link_error`."""
    given = options.get(key)
    if not given:
        return []
    return [Signature.from_dict(each) for each in (given if isinstance(given, list | tuple) else [given])]
