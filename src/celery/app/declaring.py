"""Declaring tasks: a function or class with Celery's options becomes a Task."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, overload

from ..base.differences import DIFFERENCES, refused, unsupported, warn_unknown
from ..conf.conf import Conf
from ..core import registry
from ..exceptions import ImproperlyConfigured
from ..task import Task
from ..task.declaration import declare

#: options that are attributes of Task
_ATTRIBUTES = frozenset(name for name in Task.__annotations__ if not name.startswith("_")) | {
    "max_retries", "retry_backoff", "retry_jitter", "acks_late", "typing",
}  # fmt: skip
_REFUSED = refused("task(")
#: accepted options: those, and the rows of differences without a cure
OPTIONS = (_ATTRIBUTES - {"name", "abstract", "actor", "signature_of_actor"}) | frozenset(
    re.sub(r"task\((\w+)=\)", r"\1", name) for name, row in DIFFERENCES.items() if name.startswith("task(") and row.cure is None
) - {"unknown"}


@overload
def shared_task(function: Callable[..., Any], /) -> Task: ...
@overload
def shared_task(**options: Any) -> Callable[[Callable[..., Any]], Task]: ...


def shared_task(*args: Any, **options: Any) -> Any:
    """Declare a task of whichever application is current when it is used."""
    return decorated(None, registry.app, args, options)


def decorated(app: Any, current: Callable[[], Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Serve `@task` and `@task(…)`."""
    if len(args) == 1 and callable(args[0]) and not options:
        return from_function(app, current, args[0])
    if args:
        raise TypeError("@task takes the function alone, or named options.")
    return lambda function: from_function(app, current, function, **options)


def from_function(app: Any, current: Callable[[], Any], function: Callable[..., Any], **options: Any) -> Any:
    """Return the task of a function; the one declared earlier under its name, if there is one."""
    base = options.pop("base", None)
    has_own_base = base is not None
    base = base or current().Task
    bind, name = options.pop("bind", False), options.pop("name", None) or current().gen_task_name(function.__name__, function.__module__)
    if name in registry.tasks:
        return registry.tasks[name]
    _check(base, function, options)
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{name} is a coroutine function, which Celery does not run: declare it with @dramatiq.actor.")
    members: dict[str, Any] = {
        "__doc__": function.__doc__, "__module__": function.__module__, "__annotations__": inspect.get_annotations(function),
        "name": name, "abstract": False, "has_own_base": has_own_base, **({"_app": None} if app is None else {}), "run": function if bind else staticmethod(function), **options,
    }  # fmt: skip
    task = type(function.__name__, (base,), members)()
    task.__qualname__ = function.__qualname__
    return register(app, task)


def register(app: Any, task: Task) -> Task:
    """Register an instance and declare its actor."""
    if app is not None:
        task._app = app
    if not task.name:
        task.name = task.app.gen_task_name(type(task).__name__, type(task).__module__)
    if registry.tasks.setdefault(task.name, task) is not task:
        return task
    if task.serializer not in (None, "json"):
        raise unsupported("task(serializer=)")
    task.on_bound(task.app)
    annotate(task, task.conf)
    declare(task)
    return task


def task_name(main: str | None, module: str, name: str) -> str:
    """Return the name as Celery generates it: module and function; a script's module is the application's name."""
    return ".".join(part for part in (main if module == "__main__" and main else module, name) if part)


def declare_again(app: Any) -> None:
    """Declare an application's tasks again after a change of its configuration or of the base class of its tasks."""
    for task in list(registry.tasks.values()):
        if isinstance(task, Task) and task.app is app:
            _rebase(task, app.Task)
            annotate(task, app.conf)
            declare(task)


def _rebase(task: Task, base: type[Task]) -> None:
    """Give a task without its own base class that of its application; a shared task has that of the current one."""
    if not task.has_own_base and type(task).__bases__ != (base,):
        type(task).__bases__ = (base,)
        base.__init__(task)
        task.on_bound(task.app)


def annotate(task: Task, conf: Conf) -> None:
    """Set the attributes that task_annotations names."""
    given = conf["task_annotations"] or ()
    for each in given if isinstance(given, list | tuple) else [given]:
        is_map = isinstance(each, Mapping)
        found = [each.get("*"), each.get(task.name)] if is_map else [each.annotate_any(), each.annotate(task)]
        for name, value in ((name, value) for values in found if values for name, value in values.items()):
            if name.startswith("@"):
                raise ImproperlyConfigured(f"task_annotations: {name} is not available, override {name[1:]} in a base class.")
            setattr(type(task), name, value)


def _check(base: type[Task], function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    for name in options:
        if name in OPTIONS or hasattr(base, name):
            continue
        if f"{name}=)" in _REFUSED:
            raise unsupported(f"task({name}=)")
        warn_unknown(
            "an option of a task, or an attribute of its base class",
            name,
            OPTIONS,
            f"{function.__module__}.{function.__name__}.{name} has its value",
        )
