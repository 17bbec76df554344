"""Concurrency limits: how many jobs of a key may run at once in the whole fleet.

A running job holds a row per key. The row is deleted in the commit that ends the attempt, or when a killed worker's
jobs are taken over. The same commit makes the next waiting job due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from ...sql.statements import is_sqlite
from .models import Slot
from .overrides import wake

#: seconds until a job that waits for a key asks again, in case it was not woken
ASK_AGAIN_S = 5


def lock(session: Session, keys: Collection[str]) -> None:
    """Lock keys, so that one transaction at a time counts and takes their slots; SQLite has a single writer anyway."""
    if not is_sqlite(session):
        for key in sorted(keys):  # in a fixed order, to prevent deadlocks between claims that share two keys
            session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 7236))"), {"key": key})


def taken(session: Session, keys: Collection[str]) -> Counter[str]:
    """Return how many slots of each key are taken; `lock` them first."""
    statement = select(Slot.key, func.count()).where(Slot.key.in_(keys)).group_by(Slot.key)
    return Counter(dict(session.execute(statement).all()))


def take(session: Session, slots: Sequence[tuple[str, int]]) -> None:
    """Take slots: (key, job seq)."""
    if slots:
        session.execute(insert(Slot), [{"key": key, "job_seq": seq} for key, seq in slots])


def free(session: Session, seqs: Collection[int]) -> None:
    """Free every slot of these jobs, and make as many waiting jobs due as there is room for."""
    if not seqs:
        return
    keys = set(session.execute(select(Slot.key).where(Slot.job_seq.in_(seqs))).scalars())
    if not keys:
        return
    lock(session, keys)
    freed = Counter(session.execute(delete(Slot).where(Slot.job_seq.in_(seqs)).returning(Slot.key)).scalars())
    for key, count in sorted(freed.items()):
        wake(session, waits_for(key), count)


def waits_for(key: str) -> str:
    """Return the `waits_for` of jobs when the key has no free slot."""
    return f"slot:{key}"
