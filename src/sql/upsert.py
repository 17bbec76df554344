"""Upsert: INSERT … ON CONFLICT, which SQLAlchemy builds from another class for each store."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from .statements import is_sqlite


def upsert(session: Session, table: Any) -> postgresql.Insert:
    """Return an INSERT that has `on_conflict_do_update` and `on_conflict_do_nothing` on both stores."""
    return cast(postgresql.Insert, sqlite.insert(table)) if is_sqlite(session) else postgresql.insert(table)
