"""Which data folder a verb means, and how a verb joins what runs there."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ...logs import configure_logs
from ...settings import RUNNING_FIELDS, Settings
from ...telemetry import tracing
from ...up.data.configuration import read_settings
from ...up.data.data_folder import Folder
from . import audit_hook

data_option: Callable[[Any], Any] = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Data folder; default: CALLBOARD_DATA_DIR or .callboard."
)


def open_folder(data: Path | None) -> tuple[Folder, Settings]:
    """The data folder that `--data` or the settings name, with the settings that hold in it."""
    if data is not None:
        # What a person types is relative to where he stands, not to the folder of `run`.
        os.environ["CALLBOARD_DATA_DIR"] = str(Path(os.environ.get("CALLBOARD_CALLED_FROM", "."), data))
    settings = read_settings()
    folder = Folder(settings.data_dir)
    os.environ["CALLBOARD_DATA_DIR"] = str(folder.path)
    return folder, read_settings()


def join(data: Path | None = None) -> Settings:
    """Let this process use the broker and the address of what runs in the data folder, and begin its trace, its log and its audit entry."""
    settings = enter(data)
    tracing.start("command")
    configure_logs()  # to stderr: what a verb prints is for scripts
    audit_hook.begin()
    return settings


def enter(data: Path | None = None) -> Settings:
    """The settings that hold in the data folder, with the addresses of what runs there unless others are configured."""
    folder, settings = open_folder(data)
    state = folder.read_state()
    for name in RUNNING_FIELDS:
        if (value := getattr(state, name)) and name not in settings.model_fields_set:
            os.environ[f"CALLBOARD_{name.upper()}"] = value  # also for the program that this one becomes
    return read_settings()


def data_words(data: Path | None) -> str:
    """The option as later commands need it."""
    return f" --data {shlex.quote(str(data))}" if data else ""


def report(line: str) -> None:
    """Print a line of progress."""
    click.echo(f"· {line}")
