"""A database restored from a backup: the changes it needs before use, and the submissions it has lost.

The broker, and processes on other hosts, may refer to jobs, attempts and workers that this database does not contain.
So numbers must never be reused, and every waiting job's message must be sent again. A message without a row may be
older than the restore, or never submitted here: both must be distinguished.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.columns import from_microseconds
from ...sql.statements import is_sqlite
from ..core.models import Job, Restore, Worker
from ..core.states import State
from ..finish import ending
from ..limits.models import Slot

#: numbers that may have been used since the backup: leases and confirmations identify a job by `seq` and a worker by its id
SKIPPED = {"jobs": ("seq", 1_000_000_000), "workers": ("id", 1_000_000), "workflows": ("seq", 1_000_000)}


def mark_restored(session: Session, *, made_at: datetime, file: str) -> int:
    """Make a restored database safe to use; return how many jobs were running in it. It must not be in use yet.

    A job that ran at the time of the backup lost its worker through no fault of its own: no crash is counted. Every
    queued job is published again: the broker may or may not have its message, and of two copies one claim wins.
    """
    present = now()
    _skip_numbers(session)
    session.execute(update(Worker).where(Worker.stopped_at.is_(None), Worker.lost_at.is_(None)).values(stopped_at=present))
    session.execute(update(Worker).where(Worker.expires_at > present).values(expires_at=present))
    session.execute(delete(Slot))
    running = ending.restore(session, "it was running when the backup was made that has been restored")
    session.execute(update(Job).where(Job.state == State.QUEUED).values(publish_at=present, published_at=None))
    session.execute(insert(Restore).values(restored_at=present, made_at=made_at, file=file[:255]))
    return running


def forgotten_by(session: Session, sent_ms: Sequence[int]) -> list[str | None]:
    """For messages without a row, by their submission time in milliseconds since 1970: return the explanation for those a restore may have lost."""
    newest = session.execute(select(Restore).order_by(Restore.restored_at.desc()).limit(1)).scalars().first()
    if newest is None:
        return [None] * len(sent_ms)
    reason = (
        f"a backup of {newest.made_at:%Y-%m-%d %H:%M:%S} UTC was restored at {newest.restored_at:%Y-%m-%d %H:%M:%S} UTC, and this message is older:"
        " it may have been submitted in between, and may have run; release it to run it, or discard it"
    )
    return [reason if _instant(each) < newest.restored_at else None for each in sent_ms]


def _skip_numbers(session: Session) -> None:
    for table, (column, count) in SKIPPED.items():
        if is_sqlite(session):
            newest = session.execute(text(f"SELECT coalesce(max({column}), 0) FROM {table}")).scalar_one()
            given = session.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :table"), {"table": table}).scalar() or 0
            session.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), {"table": table})
            values = {"table": table, "next": max(newest, given) + count}
            session.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :next)"), values)
        else:
            sequence = f"pg_get_serial_sequence('{table}', '{column}')"
            session.execute(text(f"SELECT setval({sequence}, nextval({sequence}) + {count})"))


def _instant(milliseconds: int) -> datetime:
    """Convert a message's timestamp to an instant; an invalid one counts as long ago."""
    try:
        return from_microseconds(int(milliseconds) * 1000)
    except (OverflowError, TypeError, ValueError):
        return from_microseconds(0)
