"""down, status, reset: stop, inspect or delete the Callboard of a data folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from ... import COMMAND
from ...up.checks import status as telling
from ...up.errors import UpError
from ...up.parts import leftovers
from ...up.verbs import down as stopping
from ..shared.data_folder import data_option, data_words, open_folder, report


@click.command()
@data_option
def down(*, data: Path | None) -> None:
    """Drain the workers and stop everything, including leftovers of a killed ./run up."""
    folder, settings = open_folder(data)
    if stopping.stop(folder, shutdown_timeout=settings.shutdown_timeout, report=report):
        click.echo(f"Stopped. The data is kept in {folder.path}")
    else:
        click.echo(f"Not running in {folder.path}.")


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="JSON for scripts; contains the broker's password.")
def status(*, data: Path | None, as_json: bool) -> None:
    """Show the running processes. Exit code 1 (without --json) if not everything is ready."""
    folder, _ = open_folder(data)
    state = folder.read_state()
    if as_json:
        click.echo(json.dumps(telling.as_json(state)))
        return
    for line in telling.as_text(folder, state):
        click.echo(line)
    if not telling.is_ready(state):
        raise SystemExit(1)


@click.command()
@data_option
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
def reset(*, data: Path | None, yes: bool) -> None:
    """Delete the data folder: jobs, history, users, secrets, broker. Callboard must be stopped."""
    folder, _ = open_folder(data)
    if not (folder.path / "up.lock").exists():
        raise UpError(f"{folder.path} is not a data folder of Callboard: nothing was deleted.")
    if folder.read_state().supervised or leftovers.find(folder, folder.read_state()):
        raise UpError(f"Callboard runs in {folder.path}.\nStop it first:  {COMMAND} down{data_words(data)}")
    if not yes:
        click.confirm(f"Delete {folder.path} with all its jobs?", abort=True)
    shutil.rmtree(folder.path)
    click.echo(f"Deleted {folder.path}")
