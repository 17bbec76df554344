"""Celery: the application object. Its tasks are actors on Callboard's broker, its configuration is checked when it is set."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, NoReturn, overload

import dramatiq

from ...importing import after_imports
from ...keywords import named, positional
from ...sql.clock import now
from ..base.differences import refused, unsupported, warn_unknown
from ..canvas import Signature, signature
from ..conf.conf import Conf
from ..conf.keys import BY_NAME, new_name
from ..core import registry, request, routes
from ..core.messages import is_ignored, message
from ..core.sending import send
from ..result import AsyncResult, GroupResult, ResultSet
from ..signals.signal import Signal
from ..task import Task, builtins
from ..utils.imports import symbol_by_name
from . import beat, loading
from .control import Control
from .declaring import declare_again, decorated, register, task_name
from .worker_signals import install

_REFUSED = refused("app.")
_REFUSED_HERE = refused("Celery(")
#: arguments without an effect
_IDLE = frozenset({"autofinalize", "strict_typing"})


class _Tasks(dict[str, Any]):
    """Tasks by name; setting one raises, since it would be lost."""

    def __setitem__(self, name: str, task: Any) -> NoReturn:
        raise unsupported("app.tasks[name] = task")


class Celery:
    """An application. `main` is the name of the script's module, `broker` must be Callboard's; see the list of differences."""

    #: class of which Task is a subclass, or its path
    task_cls: Any = Task

    def __init__(
        self, main: str | None = None, *, broker: Any = None, backend: Any = None, include: Any = None, set_as_current: bool = True,
        config_source: Any = None, namespace: str | None = None, changes: Any = None, task_cls: Any = None, **others: Any,
    ) -> None:  # fmt: skip
        install(dramatiq.get_broker())
        self.main = main
        self._place = beat.Place(main, _creator())
        self.task_cls = task_cls or self.task_cls
        self._base: Any = None
        self.is_loaded = False
        self._include: list[str] = [include] if isinstance(include, str) else list(include or ())
        self._later: list[Callable[[], None]] = []
        self.on_configure, self.on_after_configure = Signal("on_configure"), Signal("on_after_configure", is_strict=True)
        self.on_after_finalize, self.on_after_fork = Signal("on_after_finalize", is_strict=True), Signal("on_after_fork")
        self.control = Control()
        self.conf = Conf(self._configured)
        registry.add_app(self, is_current=set_as_current)
        builtins.declare()
        self.conf.update(
            {
                **(changes or {}),
                **_keys(others),
                **({"broker_url": broker} if broker else {}),
                **({"result_backend": backend} if backend else {}),
            }
        )
        if config_source is not None:
            self.config_from_object(config_source, namespace=namespace)
        after_imports(self.load)

    # Tasks.

    @overload
    def task(self, function: Callable[..., Any], /) -> Task: ...
    @overload
    def task(self, **options: Any) -> Callable[[Callable[..., Any]], Task]: ...

    def task(self, *args: Any, **options: Any) -> Any:
        """Declare a task: `@app.task`, or with options."""
        return decorated(self, lambda: self, args, options)

    def register_task(self, task: Any, **_: Any) -> Task:
        """Register a task that is a class or its instance."""
        return register(self, task() if isinstance(task, type) else task)

    @property
    def Task(self) -> Any:
        """Base class of tasks of this application; also of those declared before it is set."""
        if self._base is None:
            self._base = type("Task", (symbol_by_name(self.task_cls),), {"_app": self, "__module__": __name__})
        return self._base

    @Task.setter
    def Task(self, base: Any) -> None:
        self._base = base
        declare_again(self)

    @property
    def tasks(self) -> dict[str, Any]:
        """Every task of this process, by name."""
        self.load()
        return _Tasks(registry.tasks)

    @property
    def current_task(self) -> Any:
        running = request.current()
        return None if running is None or running.task is None else registry.find(running.task)

    @property
    def current_worker_task(self) -> Any:
        return self.current_task

    def uses_utc_timezone(self) -> bool:
        return self.conf.zone_name == "UTC"

    def gen_task_name(self, name: str, module: str) -> str:
        return task_name(self.main, module, name)

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Send a task by name, also one that only workers know; returns its result."""
        options = {option: value for option, value in options.items() if value is not None}
        if registry.find(name) is not None or {"link", "link_error"} & options.keys():
            return Signature(name, args, kwargs, options).send()
        sent = message(name, positional(args), named(kwargs), options)
        send(sent, has_own_id="task_id" in options)
        return AsyncResult(sent.message_id, task_name=name, ignored=is_ignored(sent))

    @property
    def overrides_send_task(self) -> bool:
        """True if a subclass decides how its tasks are sent."""
        return type(self).send_task is not Celery.send_task

    # Configuration.

    def config_from_object(self, obj: Any, silent: bool = False, force: bool = False, namespace: str | None = None) -> None:
        """Read the configuration from a module, an object, or the path of one."""
        self.conf.read(obj, namespace, silent)

    def config_from_envvar(self, variable_name: str, silent: bool = False, force: bool = False) -> None:
        """Read the configuration from the module that an environment variable names."""
        name = os.environ.get(variable_name)
        if not name and not silent:
            raise KeyError(f"The environment variable {variable_name} names no module of configuration: set it.")
        if name:
            self.conf.read(name, None, silent)

    def add_defaults(self, values: Any) -> None:
        """Set values that are not set yet."""
        given = values() if callable(values) else values
        self.conf.update({name: value for name, value in given.items() if self.conf.get(name) is None})

    def autodiscover_tasks(self, packages: Any = None, related_name: str | None = "tasks", force: bool = False) -> None:
        """Import the module `tasks` of each package, or of each of Django's applications, when the modules of actors are complete."""
        discover = loading.discovered(packages, related_name)
        if force or self.is_loaded:
            discover()
        else:
            self._later.append(discover)

    def load(self) -> None:
        """Import included modules, call receivers of on_after_configure and declare beat's entries; once."""
        if self.is_loaded:
            return
        self.is_loaded = True
        loading.load(self.conf, self._include)
        for discover in self._later:
            discover()
        self.on_after_configure.send(self, source=self.conf)
        self.on_after_finalize.send(self)
        beat.declare(self.conf, self._place)

    def finalize(self, auto: bool = False) -> None:
        self.load()

    def add_periodic_task(
        self, schedule: Any, sig: Any, args: Any = (), kwargs: Any = None, name: str | None = None, **options: Any
    ) -> str:
        """Add a schedule for a task; returns its name."""
        entry = beat.entry(schedule, sig, args, kwargs, options)
        key = name or beat.name_of(entry, self.conf["beat_schedule"])
        self.conf["beat_schedule"][key] = entry
        if self.is_loaded:
            beat.declare(self.conf, self._place)
        return key

    def _configured(self) -> None:
        """Declare queues and tasks again after a change of the configuration."""
        broker = dramatiq.get_broker()
        for queue in routes.queues(self.conf):
            broker.declare_queue(queue)
        declare_again(self)
        if self.is_loaded:
            beat.declare(self.conf, self._place)

    # Results and signatures.

    def AsyncResult(self, id: str, **_: Any) -> AsyncResult:
        return AsyncResult(id, app=self)

    def GroupResult(self, id: str | None = None, results: Any = (), **_: Any) -> GroupResult:
        return GroupResult(id, results)

    def ResultSet(self, results: Any = (), **_: Any) -> ResultSet:
        return ResultSet(results)

    def signature(self, *args: Any, **how: Any) -> Signature:
        return signature(*args, **how)

    @property
    def timezone(self) -> Any:
        return self.conf.zone

    def now(self) -> datetime:
        """Return the current time in the configuration's zone."""
        return now().astimezone(self.conf.zone)

    def set_current(self) -> None:
        registry.add_app(self, is_current=True)

    set_default = set_current

    def close(self) -> None:
        """Do nothing: the application holds no connection."""

    def __enter__(self) -> Celery:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __getattr__(self, name: str) -> NoReturn:
        if name in _REFUSED:
            raise unsupported(f"app.{name}")
        raise AttributeError(f"'Celery' object has no attribute {name!r}")

    def __reduce__(self) -> Any:
        return registry.app, ()

    def __repr__(self) -> str:
        return f"<Celery {self.main or '__main__'} at {id(self):#x}>"


def _creator() -> str:
    """Return the module of the code that creates the application, not that of a subclass."""
    frame = sys._getframe(2)
    while frame.f_code.co_name == "__init__" and frame.f_back is not None:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def _keys(others: dict[str, Any]) -> dict[str, Any]:
    """Return arguments that are keys of the configuration; raises for refused ones, and warns of unknown ones."""
    found = {}
    for name, value in others.items():
        if f"{name}=)" in _REFUSED_HERE:
            if value is not None:
                raise unsupported(f"Celery({name}=)")
        elif new_name(name) is not None:
            found[name] = value
        elif name not in _IDLE:
            warn_unknown("an argument of Celery, or a configuration key", name, BY_NAME, "its value is not kept")
    return found


registry.default_by(partial(Celery, "default", set_as_current=False))
