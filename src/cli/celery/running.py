"""The application of a command, and verbs of Callboard run in its place, each reported on standard error."""

from __future__ import annotations

import os
import shlex
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import click

from ... import COMMAND
from ...settings import get_settings
from ...up.errors import UpError
from ..shared.data_folder import enter


def enter_application(app: str | None, folder: Path | None, data: Path | None) -> None:
    """Enter the data folder, and name the application's module in CALLBOARD_ACTORS, so that this process and its children load it."""
    settings = enter(data)
    if app is None:
        return
    search(folder)
    os.environ["CALLBOARD_ACTORS"] = ",".join(dict.fromkeys([*settings.actor_modules, module_of(app)]))
    get_settings.cache_clear()


def search(folder: Path | None) -> None:
    """Let this process and its children import modules of a folder; default: the one in which the command was called."""
    place = (Path(os.environ.get("CALLBOARD_CALLED_FROM", ".")) / (folder or ".")).resolve()
    if not place.is_dir():
        raise UpError(f"There is no folder {place}. Correct --workdir.")
    sys.path.insert(0, str(place))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(place), os.environ.get("PYTHONPATH"))))


def module_of(app: str) -> str:
    """The module of an application as Celery finds it: `proj`, `proj.celery`, `proj.celery:app`. Imports none of them."""
    name = app.partition(":")[0]
    found = _spec(name)
    if found is None and "." in name and _spec(parent := name.rpartition(".")[0]) is not None:
        return parent  # proj.celery.app: the last word is the application
    if found is None:
        raise UpError(f"There is no module {name} in {sys.path[0]}. Call it from the folder above the module, or name that with --workdir.")
    is_package = found.submodule_search_locations is not None
    return f"{name}.celery" if is_package and _spec(f"{name}.celery") is not None else name


def run(*words: str) -> None:
    """Report a verb on standard error, and run it with these words."""
    say(*words)
    root = click.get_current_context().find_root()
    assert isinstance(root.command, click.Group)
    verb = root.command.get_command(root, words[0])
    assert verb is not None, words[0]
    with verb.make_context(words[0], list(words[1:]), parent=root) as context:
        verb.invoke(context)


def say(*words: str) -> None:
    """Report the verb that does, or that would show, the same."""
    click.echo(f"· {shlex.join((COMMAND, *words))}", err=True)


def _spec(name: str) -> ModuleSpec | None:
    """The module's spec, found without importing its packages."""
    path: list[str] | None = None
    found = None
    for end in range(1, name.count(".") + 2):
        found = PathFinder.find_spec(".".join(name.split(".")[:end]), path)
        if found is None:
            return None
        path = list(found.submodule_search_locations or ())
    return found
