"""up: run all of Callboard on one machine."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ... import COMMAND
from ...settings import Settings
from ...up.data import configuration
from ...up.data.data_folder import Folder, State
from ...up.data.process_identity import MARK
from ...up.errors import UpError
from ...up.parts import leftovers
from ...up.rabbitmq.node import NodeError
from ...up.supervisor import Supervisor
from ...up.verbs import announce, detach
from .. import entry
from ..shared.data_folder import data_option, data_words, open_folder, report


@click.command()
@click.option(
    "--detach", "detached", is_flag=True, help=f"Run in the background: return when everything is ready; {COMMAND} down stops it."
)
@data_option
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the web front end; default: first free port from 8000.")
@click.option("--workers", type=click.IntRange(0, 64), help="Worker processes; default: 2.")
@click.option("--watch", is_flag=True, help="For development: reload the actors whenever one of their files is saved.")
@click.option("--logs", is_flag=True, help="Print the log lines of all processes; they are in files in any case.")
def up(*, detached: bool, data: Path | None, port: int | None, workers: int | None, watch: bool, logs: bool) -> None:
    """Set up whatever is missing, start everything, wait until it is ready, print the sign-in URL."""
    start(detached=detached, data=data, port=port, workers=workers, watch=watch, logs=logs)


@dataclass(frozen=True, slots=True)
class Special:
    """Differences of a special installation: a step before its parts start, and the hints of its ready message."""

    before: Callable[[], None]
    hints: Sequence[str]


def start(
    *, detached: bool, data: Path | None, port: int | None, workers: int | None, watch: bool, logs: bool, special: Special | None = None
) -> None:
    """Start the installation of a data folder, and watch it until a stop is requested; detached: return when it is ready."""
    for name, value in (("PORT", port), ("WORKERS", workers)):
        if value is not None:
            os.environ[f"CALLBOARD_{name}"] = str(value)
    folder, settings = open_folder(data)
    _mark(folder)
    folder.prepare()
    if not folder.hold():
        _say_lines(announce.already_lines(_joined(folder.read_state()), option=data_words(data)))
        return
    for complaint in configuration.unknown_variables():
        report(complaint)
    hints = special.hints if special else ()
    if special is not None:
        special.before()
    if detached:
        state = detach.start(folder, lambda: _supervise(folder, settings, _nothing, _nothing, watch), show=click.echo)
        _say_lines(announce.ready_lines(folder, _joined(state), option=data_words(data), detached=True, hints=hints))
    else:

        def announced(state: State) -> None:
            _say_lines(announce.ready_lines(folder, state, option=data_words(data), hints=hints))

        _supervise(folder, settings, _echo if logs else _nothing, announced, watch)


def _mark(folder: Folder) -> None:
    """Start again with the folder's mark, so that it is in the environment of every fork of this process."""
    if os.environ.get(MARK) != str(folder.path):
        os.environ[MARK] = str(folder.path)
        os.execv(sys.executable, sys.orig_argv)


def _supervise(
    folder: Folder, settings: Settings, echo: Callable[[str, str], None], announced: Callable[[State], None], watch: bool
) -> None:
    leftovers.end(folder, folder.read_state(), shutdown_timeout=settings.shutdown_timeout, report=report)
    try:
        Supervisor(folder, settings, report=report, echo=echo, run=entry.main, watch=watch).run(announced)
    except (NodeError, OSError) as error:
        raise UpError(_in_words(error, folder)) from None


def _say_lines(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)


def _echo(name: str, line: str) -> None:
    click.echo(f"{name:<10} │ {line}")


def _nothing(*_: object) -> None:
    """Print nothing: log lines are in files, and a detached supervisor must not log the sign-in link."""


def _joined(state: State) -> State:
    """Use the database of the running Callboard, so that the sign-in link is valid there."""
    if state.database_url:
        os.environ["CALLBOARD_DATABASE_URL"] = state.database_url
        configuration.read_settings()
    return state


def _in_words(error: Exception, folder: Folder) -> str:
    if not isinstance(error, OSError):
        return str(error)
    where = f" ({error.filename})" if error.filename else ""
    return f"The system refused: {error.strerror or error}{where}.\nCheck free space and permissions:  df -h {shlex.quote(str(folder.path))} ; ls -la {shlex.quote(str(folder.path))}"
