"""backup and restore: back up the database, and restore it from a backup."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ... import COMMAND
from ...backup import creation, restoring, results, uploads
from ...backup.errors import BackupError
from ...backup.files import backups, read_manifest
from ...formats.quantities import counted
from ...sql.database import Database
from ...up.errors import UpError
from ...up.parts.actor_loading import load_actors
from ..shared.data_folder import data_option, data_words, join, open_folder, refuse_if_running, report, warn_of_broken_actors


@click.command()
@data_option
@click.option("--list", "only_list", is_flag=True, help="List the backups.")
def backup(*, data: Path | None, only_list: bool) -> None:
    """Back up the database, also while Callboard runs, and delete old ones."""
    settings = join(data)
    folder = settings.effective_backup_dir
    try:
        if only_list:
            for _, path in backups(folder):
                manifest = read_manifest(path)
                rows = ", ".join(f"{count:,} {name}" for name, count in manifest.counts.items())
                click.echo(f"{manifest.instant:%Y-%m-%d %H:%M:%S} UTC  {manifest.bytes / 1_000_000:9.1f} MB  {path}  ({rows})")
            return
        database = Database(settings.effective_database_url, pool_size=2)
        if database.is_sqlite and not Path(database.url.database or "").exists():
            raise BackupError(f"There is no database at {database.url.database} yet.\nCreate it:  {COMMAND} up{data_words(data)}")
        path, manifest = creation.make(database, folder)
        gone = creation.prune(folder)
    except BackupError as error:
        raise UpError(str(error)) from None
    click.echo(
        f"{path}\n  {manifest.bytes:,} bytes, sha256 {manifest.sha256}, verified"
        + (f"; {counted(len(gone), 'old backup')} deleted" if gone else "")
    )
    click.echo(f"  restore it:  {COMMAND} restore{data_words(data)} {path}")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@data_option
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
@click.option("--other-tables", is_flag=True, help="Also replace another program's tables in the same file or schema.")
def restore(*, file: Path, data: Path | None, yes: bool, other_tables: bool) -> None:
    """Restore the database from the backup FILE. Callboard must be stopped; the replaced database is kept."""
    folder, settings = open_folder(data)
    path = Path(os.environ.get("CALLBOARD_CALLED_FROM", "."), file).resolve()
    folder.prepare()
    refuse_if_running(folder, data)
    try:
        manifest = restoring.verify(path)
        if not yes:
            click.confirm(f"Restore the database to {manifest.instant:%Y-%m-%d %H:%M:%S} UTC?", abort=True)
        warn_of_broken_actors()
        load_actors()  # a cancel that the restore completes is an end with webhooks to notify
        done = restoring.restore(
            path, settings.effective_database_url, settings.effective_backup_dir, say=report, other_tables=other_tables
        )
    except BackupError as error:
        raise UpError(str(error)) from None
    rows = ", ".join(f"{count:,} {name}" for name, count in manifest.counts.items())
    click.echo(f"Restored: {rows}.")
    if done.running:
        click.echo(f"  {counted(done.running, 'job was', 'jobs were')} running at the time of the backup: queued again.")
    for what, shelf, came, lost in (
        ("results in files", results.SHELF, done.results, done.results_lost),
        ("files of jobs", uploads.SHELF, done.uploads, done.uploads_lost),
    ):
        if came:
            click.echo(f"  {came} {what} restored.")
        if lost:
            click.echo(f"  {lost} {what} are missing: copy the folder `{shelf.folder}` next to the backup, then restore again.")
    click.echo("  Jobs that ran after the backup may run again. Messages of jobs that are not in the backup will be held, with the reason.")
    click.echo(f"  start:  {COMMAND} up{data_words(data)}")
