"""Version table: the revision of Callboard's schema, in a table that no other program uses.

An application beside Callboard has an `alembic_version` of its own. Releases before had theirs in that table: it is
renamed, and a view of the old name shows its row to processes of these releases that still run.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Inspector, inspect, text

NAME = "callboard_version"
EARLIER = "alembic_version"
VERSIONS = Path(__file__).parent / "versions"
#: columns of `jobs` since its first revision: a revision number alone may be that of another program
_OURS = {"seq", "held_for", "unique_key", "crashes", "publish_at", "published_at"}


def revisions() -> dict[str, Path]:
    """Return the file of each revision, oldest first."""
    return {path.name[:4]: path for path in sorted(VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))}


def revision(connection: Connection) -> str | None:
    """Return the revision of the database's schema; None if it has no tables of Callboard."""
    inspector = inspect(connection)
    if inspector.has_table(NAME):
        return connection.execute(text(f"SELECT version_num FROM {NAME}")).scalar()
    return _earlier(connection, inspector)


def take_over(connection: Connection) -> None:
    """Rename the version table of a release before, in one transaction; does nothing if that has been done."""
    inspector = inspect(connection)
    if not inspector.has_table(NAME) and _earlier(connection, inspector) is not None:
        connection.execute(text(f"ALTER TABLE {EARLIER} RENAME TO {NAME}"))
        connection.execute(text(f"CREATE VIEW {EARLIER} AS SELECT version_num FROM {NAME}"))
    connection.commit()


def _earlier(connection: Connection, inspector: Inspector) -> str | None:
    """Return the revision in `alembic_version` if Callboard wrote it."""
    if not inspector.has_table(EARLIER) or not inspector.has_table("jobs"):
        return None
    if not {column["name"] for column in inspector.get_columns("jobs")} >= _OURS:
        return None
    found = list(connection.execute(text(f"SELECT version_num FROM {EARLIER}")).scalars())
    return str(found[0]) if len(found) == 1 and found[0] in revisions() else None
