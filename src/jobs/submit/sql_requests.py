"""Requests of the SQL door: registration of actors, and reading requests to turn them into jobs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from ...sql.direct import Direct
from ...sql.statements import Single
from ...sql.upsert import upsert
from .models import SqlActor, SqlRequest

_ANY = Single("SELECT seq FROM sql_requests LIMIT 1")


@dataclass(frozen=True, slots=True)
class Registration:
    """An actor with the JSON Schema of its requests. `refusal`: why SQL cannot submit its jobs."""

    name: str
    schema: dict[str, Any]
    refusal: str | None
    max_bytes: int


def register(session: Session, actors: Sequence[Registration]) -> None:
    """Write the actors that are new or have changed; the latest code to start decides."""
    known = {each.name: each for each in session.execute(select(SqlActor)).scalars()}
    for actor in sorted(actors, key=lambda each: each.name):  # in one order, so that two processes do not lock each other out
        row = known.get(actor.name)
        if row is not None and (row.schema, row.refusal, row.max_bytes) == (actor.schema, actor.refusal, actor.max_bytes):
            continue
        values = {"schema": actor.schema, "refusal": actor.refusal, "max_bytes": actor.max_bytes}
        insert = upsert(session, SqlActor).values(name=actor.name, **values)
        session.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))


def are_waiting(session: Session | Direct) -> bool:
    """True if there are requests."""
    return bool(_ANY.fetch(session))


def locked(session: Session, actors: Collection[str], *, older_than: datetime, limit: int) -> list[SqlRequest]:
    """Lock and return the oldest requests of these actors, or older than a time; those that another relay has locked are skipped."""
    mine = or_(SqlRequest.actor.in_(actors), SqlRequest.created_at < older_than)
    found = select(SqlRequest).where(mine).order_by(SqlRequest.seq).limit(limit).with_for_update(skip_locked=True)
    return list(session.execute(found).scalars())


def delete_all(session: Session, requests: Sequence[SqlRequest]) -> None:
    """Delete requests that are jobs now."""
    session.execute(delete(SqlRequest).where(SqlRequest.seq.in_([each.seq for each in requests])))
