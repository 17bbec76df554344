"""Unique periods: keys that are taken for a time after a submission, whatever the state of its job.

An idempotency key is one of them, too, if its request met a job of the same unique key: that job has its own, or none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.upsert import upsert
from ..core.errors import NotAllowed
from ..core.models import UniquePeriod
from ..core.values import dumps

#: prefix of the keys made of an idempotency key, and how long they last
IDEMPOTENCY, REMEMBERED = "idempotency:", timedelta(days=1)


class Period(NamedTuple):
    """A key that a job has until an instant."""

    key: str
    job_id: str
    until: datetime


def of(session: Session, id: str) -> Period | None:
    """Return the period of a job that has not ended."""
    is_unique = UniquePeriod.until > now(), ~UniquePeriod.key.startswith(IDEMPOTENCY)
    found = session.execute(select(UniquePeriod).where(UniquePeriod.job_id == id, *is_unique)).scalars().first()
    return None if found is None else Period(found.key, found.job_id, found.until)


def take(session: Session, key: str, id: str, *, present: datetime, until: datetime) -> Period | None:
    """Take a key for this job; return the period of the earlier job that has it, or None."""
    insert = upsert(session, UniquePeriod)
    taking = insert.values(key=key, job_id=id, until=until).on_conflict_do_update(
        index_elements=["key"],
        set_={"job_id": insert.excluded.job_id, "until": insert.excluded.until},
        where=UniquePeriod.until <= present,
    )
    if session.execute(taking.returning(UniquePeriod.key)).first() is not None:
        return None
    return Period(key, *session.execute(select(UniquePeriod.job_id, UniquePeriod.until).where(UniquePeriod.key == key)).one())


def give_back(session: Session, key: str, id: str) -> None:
    """Free the key of a job that has it no longer, or that does not come into being: it would lead to nothing."""
    session.execute(delete(UniquePeriod).where(UniquePeriod.key == key, UniquePeriod.job_id == id))


def remember(session: Session, row: Mapping[str, Any], id: str, *, present: datetime) -> None:
    """Let the idempotency key of a request lead to the job of its unique key, also when that has ended."""
    insert = upsert(session, UniquePeriod)
    values = [{"key": key, "job_id": id, "until": present + REMEMBERED} for key in _marks(row)]
    changed = {name: getattr(insert.excluded, name) for name in ("job_id", "until")}
    session.execute(insert.values(values).on_conflict_do_update(index_elements=["key"], set_=changed, where=UniquePeriod.until <= present))


def remembered(session: Session, rows: Iterable[Mapping[str, Any]], *, present: datetime) -> dict[str, tuple[str, bool]]:
    """Return row id -> the id of the job to which its idempotency key leads, and whether that request was the same."""
    marks = {row["id"]: _marks(row) for row in rows}
    every = [key for pair in marks.values() for key in pair]
    found = dict(
        session.execute(
            select(UniquePeriod.key, UniquePeriod.job_id).where(UniquePeriod.key.in_(every), UniquePeriod.until > present)
        ).all()
    )
    return {id: (found[of_key], of_request in found) for id, (of_key, of_request) in marks.items() if of_key in found}


def _marks(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the keys of an idempotency key, and of that with its request: another request under it must be noticed."""
    parts = (row["idempotency_key"], dumps([row[name] for name in ("idempotency_key", "actor", "args", "kwargs")]))
    of_key, of_request = (f"{IDEMPOTENCY}{hashlib.sha256(part.encode()).hexdigest()}" for part in parts)
    return of_key, of_request


def exchange(session: Session, id: str, old: str, new: str) -> None:
    """Give the job another key for the rest of its period. Raises NotAllowed if another job has that."""
    present = now()
    session.execute(delete(UniquePeriod).where(UniquePeriod.key == new, UniquePeriod.until <= present))
    exchanging = update(UniquePeriod).where(UniquePeriod.key == old, UniquePeriod.job_id == id, UniquePeriod.until > present)
    try:
        with session.begin_nested():
            session.execute(exchanging.values(key=new).execution_options(synchronize_session=False))
    except IntegrityError:
        other = session.execute(select(UniquePeriod.job_id).where(UniquePeriod.key == new)).scalar()
        raise NotAllowed(f"another job has its unique key {new!r} for a period: {other}") from None
