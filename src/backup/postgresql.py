"""Copies of a PostgreSQL database: pg_dump's custom format, read back completely by pg_restore, restored by psql in one transaction."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from sqlalchemy import URL, text
from sqlalchemy.engine import Connection

from ..configuration.database_url import conninfo
from ..migrations import sql_door, version_table
from ..settings import get_settings
from ..sql.database import Database
from .errors import BackupError

#: timeout in seconds of each of PostgreSQL's programs
LONGEST_S = 3600
#: seconds that a dump waits for a lock that a migration holds
LOCK_WAIT = "30s"
# Drop all tables and functions: those of a newer schema than the copy's must not stay behind.
_DROP_ALL = """
DO $$ DECLARE found record; BEGIN
    FOR found IN SELECT schemaname, tablename FROM pg_tables WHERE schemaname = '{schema}' LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I.%I CASCADE', found.schemaname, found.tablename);
    END LOOP;
    FOR found IN SELECT pg_proc.oid::regprocedure AS function FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = '{schema}' AND {is_ours} LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', found.function);
    END LOOP;
END $$
"""
_IS_OURS = r"(proname LIKE 'callboard\_%' OR nspname = 'callboard' AND proname = 'submit')"
_EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public"


@contextmanager
def snapshot(database: Database) -> Iterator[tuple[Connection, URL, str]]:
    """A connection with a fixed snapshot, the URL of the server it reached (of possibly several), and the snapshot's name for pg_dump."""
    with database.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        reached: Any = connection.connection.driver_connection
        url = database.url.difference_update_query(["host", "port"]).update_query_dict(
            {"host": reached.info.host, "port": str(reached.info.port)}
        )
        yield connection, url, str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())


def copy(url: URL, target: Path, *, snapshot_name: str) -> None:
    """Dump the database as the snapshot sees it, and read the dump back completely.

    With CALLBOARD_DATABASE_SCHEMA dump only that schema: the others belong to other programs.
    """
    arguments = ["--format=custom", "--compress=6", "--no-owner", "--no-privileges", f"--lock-wait-timeout={LOCK_WAIT}"]
    schema = get_settings().database_schema
    arguments.append(f"--schema={schema}" if schema else f"--exclude-schema={sql_door.DOOR}")  # migrating creates the short name again
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    _run("pg_dump", [*arguments, f"--snapshot={snapshot_name}", f"--file={target}", f"--dbname={_name(url)}"], url)
    check(target)


def check(copied: Path) -> str:
    """Read the whole dump and return its table of contents; raises BackupError."""
    _run("pg_restore", ["--file=/dev/null", str(copied)], None)
    schema, contents = _schema(), _run("pg_restore", ["--list", str(copied)], None)
    if not any(f"TABLE DATA {schema} {name} " in contents for name in (version_table.NAME, version_table.EARLIER)):
        raise BackupError(f"{copied} holds no database of Callboard in the schema {schema}. Set CALLBOARD_DATABASE_SCHEMA to its schema.")
    return contents


def replace(url: URL, copied: Path) -> None:
    """Replace everything in Callboard's schema with the dump, in one transaction: all or nothing."""
    commands = [_DROP_ALL.format(schema=_schema(), is_ours=_IS_OURS)]
    if (schema := get_settings().database_schema) and "ix_job_texts_trigrams" in check(copied):
        commands.append(_EXTENSION)  # the dump of a schema holds no extension
    script = copied.with_name(copied.name + ".sql")
    try:
        only = [f"--schema={schema}"] if schema else []  # leaves out CREATE SCHEMA: it exists
        _run("pg_restore", ["--no-owner", "--no-privileges", *only, f"--file={script}", str(copied)], None)
        once = [
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            f"--dbname={_name(url)}",
            *(f"--command={command}" for command in commands),
        ]
        _run("psql", [*once, f"--file={script}"], url)
    finally:
        script.unlink(missing_ok=True)


def others(database: Database) -> int:
    """Return the number of other connections to the database."""
    with database.engine.connect() as connection:
        statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        return int(connection.execute(text(statement)).scalar_one())


def program(name: str) -> str:
    """Return the newest installed version of a PostgreSQL program: an older pg_dump refuses a newer server."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = next((str(path) for folder in folders if os.access(path := folder / name, os.X_OK)), None) or shutil.which(name)
    if found is None:
        raise BackupError(f"{name} is missing. Install it:  sudo apt-get install --no-install-recommends postgresql-client")
    return found


def _schema() -> str:
    return get_settings().database_schema or "public"


def _name(url: URL) -> str:
    """The libpq connection string without passwords: other users can read command lines."""
    from psycopg.conninfo import make_conninfo  # imported late: 8 MB that SQLite does without

    return make_conninfo("", **{name: value for name, value in conninfo(url).items() if name != "sslpassword"})


@contextmanager
def _passwords(url: URL | None) -> Iterator[dict[str, str]]:
    """Environment variables by which libpq finds the passwords of the URL. Raises BackupError."""
    password, key_password = (None, None) if url is None else (url.password or url.query.get("password"), url.query.get("sslpassword"))
    found = {} if password is None else {"PGPASSWORD": str(password)}
    if url is None or key_password is None:
        yield found
        return
    if "service" in url.query:
        raise BackupError("CALLBOARD_DATABASE_URL has both service and sslpassword. Move sslpassword into the service file.")
    # libpq has no variable for the password of a TLS key, but reads any option from the file of a service.
    with NamedTemporaryFile("w", prefix="callboard-", suffix=".conf") as file:  # only this user can read it
        file.write(f"[callboard]\nsslpassword={key_password}\n")
        file.flush()
        yield {**found, "PGSERVICE": "callboard", "PGSERVICEFILE": file.name}


def _run(name: str, arguments: Sequence[str], url: URL | None) -> str:
    try:
        with _passwords(url) as passwords:
            done = subprocess.run(
                [program(name), *arguments],
                env={**os.environ, "LC_ALL": "C.UTF-8", **passwords},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LONGEST_S,
            )
    except subprocess.TimeoutExpired:
        raise BackupError(f"{name} did not end within {LONGEST_S} s.") from None
    if done.returncode != 0:
        words = " ".join(done.stderr.split())[-500:]
        raise BackupError(f"{name} failed: {words}")
    return done.stdout
