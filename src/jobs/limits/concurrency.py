"""Concurrency limits: how many jobs of a key may run at once, over the whole fleet.

A running job holds a row per key. It goes with the commit that ends the attempt, or with the lease of a worker that
was killed, and the next job that waits for the key is made due in that same commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from ...sql.statements import is_sqlite
from ..core.models import Slot
from .overrides import wake

#: seconds after which a job that waits for a key asks again, should nobody have woken it
ASK_AGAIN_S = 5


def lock(session: Session, keys: Collection[str]) -> None:
    """Let one transaction at a time count and take slots of a key; SQLite has one writer anyway."""
    if not is_sqlite(session):
        for key in sorted(keys):  # in one order: two claims that share two keys must not wait for each other
            session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 7236))"), {"key": key})


def taken(session: Session, keys: Collection[str]) -> Counter[str]:
    """How many slots of each key are taken; `lock` them before."""
    statement = select(Slot.key, func.count()).where(Slot.key.in_(keys)).group_by(Slot.key)
    return Counter({row[0]: row[1] for row in session.execute(statement)})


def take(session: Session, slots: Sequence[tuple[str, int]]) -> None:
    """Note that jobs hold slots: (key, job seq)."""
    if slots:
        session.execute(insert(Slot), [{"key": key, "job_seq": seq} for key, seq in slots])


def free(session: Session, seqs: Collection[int]) -> None:
    """Give back every slot of these jobs, and make as many waiting jobs due as there is room for."""
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
    """What a job says it waits for when the key has no slot free."""
    return f"slot:{key}"
