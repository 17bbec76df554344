"""down, status, reset: stop, inspect or delete the Callboard of a data folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import click

from ... import COMMAND
from ...formats.quantities import counted
from ...settings import Settings
from ...up.checks import status as telling
from ...up.errors import UpError
from ...up.verbs import down as stopping
from ..shared.data_folder import data_option, data_words, open_folder, refuse_if_running, report


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
@click.option("--backups", "with_backups", is_flag=True, help="Delete the backups in the folder, too.")
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
def reset(*, data: Path | None, with_backups: bool, yes: bool) -> None:
    """Delete the data folder: jobs, history, users, secrets, broker. Callboard must be stopped; backups stay."""
    folder, settings = open_folder(data)
    if not (folder.path / "up.lock").exists():
        raise UpError(f"{folder.path} is not a data folder of Callboard: nothing was deleted.")
    refuse_if_running(folder, data)
    _refuse_if_alive(settings)
    places = {place for place in (settings.effective_backup_dir.resolve(), folder.path / "backups") if place.is_relative_to(folder.path)}
    number = sum(len(list(place.glob(f"*{suffix}.json"))) for place in places for suffix in (".sqlite.gz", ".pgdump"))
    backups = counted(number, "backup")
    if not number or with_backups:
        question = f"Delete {folder.path} with all its jobs{f' and its {backups}' if number else ''}?"
    elif folder.path in places:
        raise UpError(
            f"The backups are in {folder.path} itself.\nMove them, or delete them too:  {COMMAND} reset --backups{data_words(data)}"
        )
    else:
        question = f"Delete {folder.path} with all its jobs, but not its {backups}?"
    if not yes:
        click.confirm(question, abort=True)
    if not number or with_backups:
        shutil.rmtree(folder.path)
        click.echo(f"Deleted {folder.path}")
        return
    # Later commands on the folder find the backups by these files.
    _delete_but(folder.path, {*places, folder.path / "up.lock", folder.path / "variables.json"})
    click.echo(f"Deleted {folder.path}, but not its {backups}. {COMMAND} reset --backups{data_words(data)}  deletes them, too.")


def _refuse_if_alive(settings: Settings) -> None:
    """Raise UpError if a process uses the database, which is also that of services without ./run up."""
    from sqlalchemy.exc import SQLAlchemyError  # imported late: ./run status and ./run down need no database

    from ...backup import sqlite
    from ...backup.errors import BackupError
    from ...jobs.leases import heartbeats, workers
    from ...sql.database import Database

    database, names = Database(settings.effective_database_url, pool_size=1), set[str]()
    if not database.exists():
        return
    with suppress(SQLAlchemyError), database.read() as session:  # damaged, away or without tables
        names = {each.name for each in workers.alive(session)} | {each.name for each in heartbeats.alive(session)}
    database.engine.dispose()
    if names:
        raise UpError(
            f"Callboard is alive: {', '.join(sorted(names)[:5])}.\nStop it first; a process that was killed counts for a few seconds more."
        )
    if database.is_sqlite:
        try:
            sqlite.refuse_if_open(Path(str(database.url.database)))
        except BackupError as error:
            raise UpError(str(error)) from None


def _delete_but(folder: Path, kept: Collection[Path]) -> None:
    """Delete everything in the folder but these paths."""
    for entry in folder.iterdir():
        if entry in kept:
            continue
        if any(path.is_relative_to(entry) for path in kept):
            _delete_but(entry, kept)
        elif entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
