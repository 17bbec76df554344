"""restore(): turn a backup into the database again, keeping everything it replaces in a backup of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from .. import COMMAND, migrations
from ..formats.quantities import counted
from ..jobs.core.envelopes import leave_to_relay, publisher
from ..jobs.leases import workers
from ..jobs.upkeep.restoring import mark_restored
from ..settings import get_settings, of_file
from ..sql.clock import now
from ..sql.database import Database
from ..sql.outages import is_outage
from . import creation, postgresql, results, sqlite, uploads
from .errors import BackupError, Damaged
from .files import Manifest, checksum, manifest_path, read_manifest, store_of

#: seconds in which the server has ended a connection that its client has closed
CLOSED_WITHIN_S = 3.0
#: prefix of backups of replaced databases; never pruned
REPLACED = "before-restore"


@dataclass(frozen=True, slots=True)
class Restored:
    """Summary of a restore."""

    manifest: Manifest
    replaced: Path | None  # the backup of the replaced database, or its file if it was damaged
    running: int  # jobs that were running when the backup was made, now queued again
    results: int = 0  # result files restored with it
    results_lost: int = 0  # result files that are lost
    uploads: int = 0  # the same for uploaded files
    uploads_lost: int = 0


def restore(path: Path, url: str, folder: Path, *, say: Callable[[str], None], other_tables: bool = False) -> Restored:
    """Restore the backup to the database at `url`; raises BackupError, and then nothing has changed.

    `other_tables`: replace tables that are not this Callboard's, too; else they are a reason to refuse.
    The caller must have made sure that nothing of this data folder runs; other processes that use the database are
    detected here.
    """
    manifest = verify(path)
    target = Database(url, pool_size=2)
    try:
        if target.is_sqlite != (manifest.store == "sqlite"):
            raise BackupError(f"{path.name} is a backup of {manifest.store}, but CALLBOARD_DATABASE_URL names another kind of database.")
        aside = None
        try:
            replaced = _keep_present(target, folder, say, other_tables=other_tables)
        except Damaged as error:
            replaced = aside = _name_aside(Path(str(target.url.database)))
            say(f"{error}. Its files are kept as {aside}")
        say(f"Restoring {path.name}: the database as it was at {manifest.instant:%Y-%m-%d %H:%M:%S} UTC")
        running = _into_sqlite(target, path, manifest, aside) if target.is_sqlite else _into_postgresql(target, path, manifest)
        files = (*results.put_back(target, path), *uploads.put_back(target, path))
    finally:
        target.engine.dispose()
    return Restored(manifest, replaced, running, *files)


def verify(path: Path) -> Manifest:
    """Check that the backup is complete and that this Callboard understands it; return its manifest or raise BackupError."""
    if not path.is_file():
        raise BackupError(f"There is no file {path}.")
    manifest, store = read_manifest(path), store_of(path)
    if manifest.store != store or checksum(path) != manifest.sha256:
        raise BackupError(f"{path} is not what {manifest_path(path).name} says: it was changed or broken on its way.")
    if manifest.schema not in migrations.revisions():
        raise BackupError(
            f"{path.name} was made by a newer Callboard ({manifest.version}, schema {manifest.schema}): restore it with that one."
        )
    return manifest


def _keep_present(target: Database, folder: Path, say: Callable[[str], None], *, other_tables: bool) -> Path | None:
    """Back up the database to be replaced, after checking that it is not in use; None: it was empty. Raises Damaged."""
    if target.is_sqlite and not Path(target.url.database or "").exists():
        return None
    try:
        with target.read() as session:
            others = migrations.foreign_tables(session.connection())
            if migrations.revision(session.connection()) is None:
                if others:
                    raise BackupError(
                        f"The database holds another program's tables only: {migrations.in_short(others)}. Restore into an empty database."
                    )
                return None
        if others and not other_tables:
            raise BackupError(
                f"The restore would replace tables that are not this Callboard's with those of the backup: {migrations.in_short(others)}."
                f" Nothing was changed.\nReplace them, too:  {COMMAND} restore --other-tables FILE"
            )
        _refuse_if_used(target)
        kept, _ = creation.make(target, folder, prefix=REPLACED)
    except (SQLAlchemyError, Damaged) as error:
        cause = getattr(error, "orig", None) or error
        if target.is_sqlite and not is_outage(error):
            target.engine.dispose()  # our own connections must not count
            sqlite.refuse_if_open(Path(str(target.url.database)))
            raise Damaged(f"The present database cannot be copied: {cause}") from None
        raise BackupError(f"The database cannot be read: {cause}") from None
    say(f"The present database is saved in {kept}")
    if others:
        say(f"Tables that are not this Callboard's are replaced, too: {', '.join(others)}")
    return kept


def _name_aside(database: Path) -> Path:
    """An unused name for a damaged database, beside it: a rename needs no room."""
    return database.with_name(f"{database.name}.damaged-{now():%Y%m%dT%H%M%S.%fZ}")


def _refuse_if_used(target: Database) -> None:
    if not target.is_sqlite and (others := _others(target)):
        raise BackupError(
            f"{counted(others, 'connection uses', 'connections use')} the database: stop every web, worker and scheduler process first, on all hosts."
        )
    with target.read() as session:
        alive = [worker.name for worker in workers.alive(session)]
    if alive:
        raise BackupError(f"Workers are alive: {', '.join(alive[:5])}. Stop them first; one that was killed counts for a few seconds more.")


def _others(target: Database) -> int:
    """Return the number of connections that use the database. PostgreSQL counts one that was closed a moment ago."""
    target.engine.dispose()  # our own connections must not count
    deadline = time.monotonic() + CLOSED_WITHIN_S
    while (found := postgresql.others(target)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _into_sqlite(target: Database, path: Path, manifest: Manifest, aside: Path | None) -> int:
    assert target.url.database is not None
    place = Path(target.url.database)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    prepared = place.with_name(f"{place.name}.restoring")
    try:
        sqlite.unpack(path, prepared)
        running = _make_usable(of_file(prepared), path, manifest)
        target.engine.dispose()
        if aside is not None:
            sqlite.set_aside(place, aside)
        sqlite.replace(place, prepared)
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            prepared.with_name(prepared.name + end).unlink(missing_ok=True)
    return running


def _into_postgresql(target: Database, path: Path, manifest: Manifest) -> int:
    if schema := get_settings().database_schema:
        try:
            migrations.create_schema(target.engine, schema)
        except migrations.MigrationRefused as error:
            raise BackupError(str(error)) from None
    target.engine.dispose()
    postgresql.replace(target.url, path)
    return _make_usable(target.url.render_as_string(hide_password=False), path, manifest)


def _make_usable(url: str, path: Path, manifest: Manifest) -> int:
    """Migrate the restored database to the present schema, and mark it as restored."""
    migrations.migrate(url)
    restored = Database(url, pool_size=1)
    try:
        # The database is not in its place yet: what a publisher confirmed now would be written to the replaced one.
        with publisher.replaced(leave_to_relay), restored.write() as session:
            return mark_restored(session, made_at=manifest.instant, file=path.name)
    finally:
        restored.engine.dispose()
