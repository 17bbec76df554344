"""Purge a queue: cancel the rows that wait in it. Deleting messages is not enough: the relay would publish a queued row again."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.orm import Session

from src import audit
from src.jobs import Receipt, State, bulk, search
from src.jobs.bulk import Verb
from src.jobs.search.grammar import quote
from src.web import bulk_wishes
from src.web.auth.caller import Caller
from src.web.bulk_wishes import CountDiffers

#: what a purge is for: not what runs, nor what is held until a person has seen it
PURGED = (State.SCHEDULED, State.QUEUED, State.RETRYING)


def query(queue: str) -> str:
    """The query for the jobs that wait in a queue."""
    return f"queue:{quote(queue)} state:{','.join(PURGED)}"


def purge(session: Session, queue: str, *, count: int | None, by: Caller, source: Literal["api", "command"]) -> tuple[Receipt | None, int]:
    """Submit a job that cancels all waiting jobs of a queue; return it with their number. None: no job waits.

    Above a hundred it raises CountDiffers unless `count` says how many there are; below, only if it says another number.
    """
    found = bulk_wishes.meant(session, Verb.CANCEL, search.parse(query(queue)))
    if count is not None:
        bulk_wishes.check_count(found, count)
    elif found.total > bulk.TYPED_ABOVE:
        raise CountDiffers(f"{found.total} jobs wait in {queue}: say count {found.total} to cancel them all.", field="count")
    audit.about("queue", queue, count=found.total)
    if not found.total:
        return None, 0
    return bulk_wishes.start(session, Verb.CANCEL, found.query, up_to=found.up_to, count=found.total, by=by, source=source), found.total
