"""Modules that an application includes, imported when the modules of CALLBOARD_ACTORS are complete."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable
from typing import Any

from ..conf.conf import Conf
from ..exceptions import ImproperlyConfigured


def load(conf: Conf, include: Iterable[str]) -> None:
    """Import the modules that code and configuration name."""
    for name in (*include, *_listed(conf["imports"]), *_listed(conf["include"])):
        importlib.import_module(name)


def discovered(packages: Any, related_name: str | None) -> Callable[[], None]:
    """Return a function that imports the module `related_name` of each package that has one; without packages, of Django's applications."""

    def discover() -> None:
        named = packages() if callable(packages) else packages
        for package in _django_packages() if named is None else _listed(named):
            _import_related(package, related_name)

    return discover


def _import_related(package: str, related_name: str | None) -> None:
    """Import the module of a package; for the path of a class, such as Django's AppConfig, look in its module as Celery does."""
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        around = package.rpartition(".")[0]
        if not around or not _names(error, package):
            raise
        package = around
    related = f"{package}.{related_name}"
    try:
        importlib.import_module(package if related_name is None else related)
    except ModuleNotFoundError as error:
        if related_name is None or error.name != related:
            raise  # of a module that this one imports


def _names(error: ModuleNotFoundError, package: str) -> bool:
    """True if the package itself, or one around it, is missing: not a module that it imports."""
    return f"{package}.".startswith(f"{error.name}.")


def _django_packages() -> list[str]:
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        raise ImproperlyConfigured("autodiscover_tasks() needs a list of packages, or Django: set DJANGO_SETTINGS_MODULE.")
    django: Any = importlib.import_module("django")
    django.setup()
    apps: Any = importlib.import_module("django.apps").apps
    return [config.name for config in apps.get_app_configs()]


def _listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())
