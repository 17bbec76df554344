"""Data folder of a verb, and connection to the Callboard that runs in it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ... import COMMAND
from ...configuration.setting_sources import RUNNING_FIELDS
from ...importing import go_on_without_broken_actors
from ...settings import Settings
from ...up.data.configuration import read_settings
from ...up.data.data_folder import Folder
from ...up.errors import UpError
from ...up.parts import leftovers
from . import audit_hook

data_option: Callable[[Any], Any] = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Data folder; default: CALLBOARD_DATA_DIR or .callboard."
)


def beside_caller(path: str | Path) -> Path:
    """The path as the caller wrote it: `run` changes to its own folder."""
    return Path(os.environ.get("CALLBOARD_CALLED_FROM", "."), os.path.expanduser(path))  # that of Path raises if no user has the name


def open_folder(data: Path | None) -> tuple[Folder, Settings]:
    """The data folder of `--data` or the settings, with its effective settings."""
    if data is not None:
        os.environ["CALLBOARD_DATA_DIR"] = str(beside_caller(data))
    settings = read_settings()
    folder = Folder(settings.data_dir)
    os.environ.update({"CALLBOARD_DATA_DIR": str(folder.path), **folder.variables()})
    return folder, read_settings()


def join(data: Path | None = None, *, needs_actors: bool = True) -> Settings:
    """Connect this process to the running Callboard of the data folder; start tracing, logging and the audit entry.

    Without `needs_actors` the verb goes on without modules of actors that cannot be imported: it may be the one that an
    operator needs because of them.
    """
    from ...logs import configure_logs  # imported late: the supervisor does without
    from ...telemetry import tracing

    settings = enter(data)
    tracing.start("command")
    configure_logs()  # to stderr: stdout is for scripts
    audit_hook.begin()
    if not needs_actors:
        warn_of_broken_actors()
    return settings


def enter(data: Path | None = None) -> Settings:
    """The data folder's settings, with the addresses of its running processes unless others are configured.

    A folder with variables of its own, as the demo's, uses only its own addresses.
    """
    folder, settings = open_folder(data)
    state, is_apart = folder.read_state(), bool(folder.variables())
    for name in (*RUNNING_FIELDS, *(("actors",) if state.supervised else ())):
        if (value := getattr(state, name)) and (is_apart or name not in settings.model_fields_set):
            os.environ[f"CALLBOARD_{name.upper()}"] = value  # inherited by a program that replaces this one
    return read_settings()


def refuse_if_running(folder: Folder, data: Path | None) -> None:
    """Hold the folder for this process; raise UpError if another one runs in it."""
    if not folder.hold() or leftovers.find(folder, folder.read_state()) or folder.is_used():
        raise UpError(f"Callboard runs in {folder.path}.\nStop it first:  {COMMAND} down{data_words(data)}   or the services of systemd")


def data_words(data: Path | None) -> str:
    """The --data option for later commands."""
    return f" --data {shlex.quote(str(data))}" if data else ""


def warn_of_broken_actors() -> None:
    """Let the verb go on without modules of actors that cannot be imported; print a warning for each."""
    go_on_without_broken_actors(_warn)


def _warn(module: str, error: Exception) -> None:
    from ...operations.format.terminal_text import visible
    from ...up.parts.actor_loading import warning

    click.echo(visible(f"⚠ {warning(module, error)}"), err=True)


def report(line: str) -> None:
    """Print a line of progress."""
    click.echo(f"· {line}")
