"""Unique periods: keys that are taken for a time after a submission, whatever the state of its job."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.upsert import upsert
from ..core.errors import NotAllowed
from ..core.models import UniquePeriod


def take(session: Session, key: str, id: str, *, present: datetime, until: datetime) -> str | None:
    """Take a key for this job; return the id of the earlier job that has it, or None."""
    insert = upsert(session, UniquePeriod)
    taking = insert.values(key=key, job_id=id, until=until).on_conflict_do_update(
        index_elements=["key"],
        set_={"job_id": insert.excluded.job_id, "until": insert.excluded.until},
        where=UniquePeriod.until <= present,
    )
    if session.execute(taking.returning(UniquePeriod.key)).first() is not None:
        return None
    return session.execute(select(UniquePeriod.job_id).where(UniquePeriod.key == key)).scalar_one()


def give_back(session: Session, key: str, id: str) -> None:
    """Free the key of a job that has it no longer, or that does not come into being: it would lead to nothing."""
    session.execute(delete(UniquePeriod).where(UniquePeriod.key == key, UniquePeriod.job_id == id))


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
