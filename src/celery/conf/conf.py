"""Conf: `app.conf`, which checks each value when it is set and notifies its application."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any
from zoneinfo import ZoneInfo

from ...settings import get_settings
from ..base.differences import unknown, warn_unknown
from ..exceptions import ImproperlyConfigured
from . import broker_url
from .keys import BY_NAME, Effect, namespaced, new_name

_KIND = "a configuration key of Celery"


class Conf(MutableMapping[str, Any]):
    """Values by key, as items and as attributes. An application's own names are kept, with a warning that they have no effect."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.__dict__["_values"] = {"beat_schedule": {}}
        self.__dict__["_changed"] = changed

    def __getitem__(self, name: str) -> Any:
        key = new_name(name) or name
        if key in self._values:
            return self._values[key]
        if key not in BY_NAME:
            raise KeyError(str(unknown(_KIND, name, BY_NAME)))
        return BY_NAME[key].default

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __delitem__(self, name: str) -> None:
        self._values.pop(new_name(name) or name, None)
        self._changed()

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*BY_NAME, *self._values]))

    def __len__(self) -> int:
        return len(BY_NAME.keys() | self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (new_name(name) is not None or name in self._values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def update(self, *given: Any, **named: Any) -> None:
        """Check and set several values, or none of them."""
        self._set(dict(*given, **named), "app.conf")

    def read(self, source: Any, namespace: str | None = None, silent: bool = False) -> None:
        """Read a module, an object, a mapping, or the path of one of these; with a namespace, only its upper-case names.

        Without one, other names than keys are ignored, as in Celery: a module has them too.
        """
        found = _named(source, silent)
        prefix = f"{namespace.rstrip('_').upper()}_" if namespace else ""
        if prefix:
            where = f"{prefix}… of {source if isinstance(source, str) else type(source).__name__}"
            self._set({key: value for name, value in found.items() if (key := namespaced(name, prefix)) is not None}, where)
        elif isinstance(source, Mapping):
            self.update(found)
        else:
            self.update({name: value for name, value in found.items() if new_name(name) is not None})

    @property
    def zone(self) -> ZoneInfo:
        """The zone of naive times and crontabs."""
        return ZoneInfo(self.zone_name)

    @property
    def zone_name(self) -> str:
        return str(self["timezone"] or ("UTC" if self["enable_utc"] else get_settings().timezone))

    def _set(self, given: Mapping[str, Any], where: str) -> None:
        values = {new_name(name) or name: value for name, value in given.items()}
        for name, value in values.items():
            if name in BY_NAME:
                _check(name, value)
        for name in given:
            if new_name(name) is None:
                warn_unknown(f"{_KIND} ({where})", name, BY_NAME, f"app.conf.{name} has its value")
        self._values.update(values)
        self._changed()


def _check(name: str, value: Any) -> None:
    key = BY_NAME[name]
    if key.effect is Effect.REFUSED and value not in (None, False):
        raise ImproperlyConfigured(f"{name} is not available: {key.text}.")
    if key.allowed and (list(value) if isinstance(value, tuple | set) else value) not in key.allowed:
        raise ImproperlyConfigured(f"{name}={value!r} is not available: {key.text}.")
    if name == "broker_url" and value:
        broker_url.follow(value)


def _named(source: Any, silent: bool) -> dict[str, Any]:
    """Return the values of a configuration source by name."""
    if isinstance(source, str):
        try:
            source = _imported(source)
        except (ImportError, AttributeError):
            if silent:
                return {}
            raise
    if isinstance(source, Mapping):
        return dict(source)
    return {name: getattr(source, name) for name in dir(source) if not name.startswith("_")}


def _imported(path: str) -> Any:
    """Import a module, or an attribute of one: `proj.config`, `proj.config:Config`, `django.conf:settings`."""
    module, _, attribute = path.partition(":")
    if attribute:
        return getattr(importlib.import_module(module), attribute)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        parent, _, name = module.rpartition(".")
        if not parent or error.name != module:
            raise
        return getattr(importlib.import_module(parent), name)
