"""Registry of this process: tasks by name, and the current application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ...actor_schema.signature import Signature as ActorSignature
from ..conf.conf import Conf
from ..exceptions import ImproperlyConfigured, NotRegistered


class Known(Protocol):
    """A registered task, as far as callers of it need to know it."""

    name: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def apply(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any: ...
    @property
    def conf(self) -> Conf: ...
    @property
    def actor_signature(self) -> ActorSignature: ...
    @property
    def is_tracked(self) -> bool:
        """True if a running job is STARTED instead of PENDING."""
        ...

    def defaults(self) -> dict[str, Any]:
        """Return the options of a call that the task declares: queue, priority, expires."""
        ...

    def check_arguments(self, args: Any, kwargs: Any) -> None: ...


class App(Protocol):
    """An application."""

    main: str | None
    conf: Conf

    def load(self) -> None: ...


tasks: dict[str, Known] = {}
_apps: list[App] = []
_default: Callable[[], App] | None = None


def default_by(make: Callable[[], App]) -> None:
    """Register the maker of the application that exists without a declaration."""
    global _default
    _default = make


def add_app(app: App, *, is_current: bool) -> None:
    """Add an application; the current one is the last."""
    if app in _apps:
        _apps.remove(app)
    _apps.insert(len(_apps) if is_current else 0, app)


def app() -> App:
    """Return the current application; makes one if the code has declared none."""
    if not _apps:
        if _default is None:
            raise ImproperlyConfigured("There is no application: write app = Celery(…) first.")
        add_app(_default(), is_current=True)
    return _apps[-1]


def apps() -> list[App]:
    """Return every application of this process."""
    return list(_apps)


def task(name: str) -> Known:
    """Return the task of this name; loads the modules that applications include, if it is unknown. Raises NotRegistered."""
    if name not in tasks:
        for each in _apps:
            each.load()
    if name not in tasks:
        raise NotRegistered(name)
    return tasks[name]


def find(name: str) -> Known | None:
    """Return the task of this name, or None."""
    return tasks.get(name)


def conf_of(name: str) -> Conf:
    """Return the configuration that holds for a task."""
    known = tasks.get(name)
    return app().conf if known is None else known.conf
