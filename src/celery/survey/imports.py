"""Imports of Celery: lines to change, names without a counterpart, and packages that need Celery itself."""

from __future__ import annotations

import ast
import importlib

from ... import COMMAND
from .inventory import Inventory, Place
from .names import Names, looks_like_a_class_of_applications
from .sources import Source, celery_name

_PACKAGE = __name__.partition(".survey.")[0]
_BEAT = "import its schedules with --beat-db, and take the package out"
#: packages beside Celery -> the cure
_BESIDE = {
    "django_celery_beat": _BEAT,
    "django_celery_results": "results are in the job's row: take the package out",
    "celery_once": "use @dramatiq.actor(unique=True), or a lock of your own",
    "celery_singleton": "use @dramatiq.actor(unique=True), or a lock of your own",
    "redbeat": f"use beat_schedule or add_periodic_task(), and `{COMMAND} scheduler`",
    "flower": "the console shows tasks, queues and workers",
}


def survey(source: Source, names: Names, found: Inventory) -> None:
    """Note the imports of one module."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                _module(source, node, alias.name, None, names, found)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                _module(source, node, node.module or "", alias.name, names, found)
        elif isinstance(node, ast.List | ast.Tuple):
            for each in node.elts:  # INSTALLED_APPS, wherever it is put together
                if isinstance(each, ast.Constant) and each.value in _BESIDE and str(each.value).startswith("django_"):
                    found.change(Place(source.shown, each.lineno), f"{each.value} needs Celery itself: {_BESIDE[each.value]}.")


def missing(module: str, name: str | None) -> str | None:
    """Why this interface has nothing of Celery's module, or of a name in it; None if it has."""
    ours = f"{_PACKAGE}{module.removeprefix('celery')}"
    try:
        imported = importlib.import_module(ours)
        if name not in (None, "*") and not hasattr(imported, str(name)):
            importlib.import_module(f"{ours}.{name}")
    except ImportError as error:
        return str(error) if "not available" in str(error) else f"{module} has no {name or 'counterpart'}."
    return None


def _module(source: Source, node: ast.stmt, module: str, name: str | None, names: Names, found: Inventory) -> None:
    place = Place(source.shown, node.lineno)
    ours = celery_name(module)
    if ours is not None:
        if module.partition(".")[0] == "celery" and place not in found.imports:
            found.imports.append(place)
        if (why := missing(ours, name)) is not None:
            found.change(place, why)
        return
    top = module.partition(".")[0]
    if top in _BESIDE:
        found.change(place, f"{top} needs Celery itself: {_BESIDE[top]}.")
    elif (module, name) == ("kombu.exceptions", "OperationalError"):
        found.look(place, "A call raises OperationalError of callboard.celery.exceptions: catch that one around calls of tasks.")
    elif top in ("kombu", "billiard", "amqp", "vine"):
        found.look(place, f"{top} is not installed with Callboard: keep it, or name queues as text.")
    elif names.find(module) is not None or (not name and "celery" not in module.split(".")[1:]):
        return
    elif name and looks_like_a_class_of_applications(name):
        found.look(place, f"{name} of {module} is taken for a class of applications: survey its package, too.")
    elif "celery" in module.split(".")[1:]:
        found.look(place, f"{module} is written for Celery itself.")
