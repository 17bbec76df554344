"""Purge a queue: cancel its waiting rows. Deleting messages is not enough: the relay would publish the rows again."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.orm import Session

from .... import audit
from ....jobs import Receipt, State, search
from ....jobs.control import bulk
from ....jobs.control.bulk import Verb
from ....jobs.search.grammar import quote
from ...people.caller import Caller
from . import bulk_request
from .bulk_request import CountDiffers

#: states that a purge cancels; running jobs finish, held ones need a decision
PURGED = (State.SCHEDULED, State.QUEUED, State.RETRYING)


def query(*queues: str) -> str:
    """The query for the waiting jobs of queues."""
    return f"queue:{','.join(map(quote, queues))} state:{','.join(PURGED)}"


def waiting(session: Session, queue: str) -> int:
    """Return the number of jobs that a purge of the queue would cancel now."""
    return bulk_request.select(session, Verb.CANCEL, search.parse(query(queue))).total


def purge(session: Session, queue: str, *, count: int | None, by: Caller, source: Literal["api", "command"]) -> tuple[Receipt | None, int]:
    """Submit a job that cancels all waiting jobs of a queue; return it with their number. None: no job waits.

    Raises CountDiffers if `count` differs, or is missing above a hundred jobs.
    """
    found = bulk_request.select(session, Verb.CANCEL, search.parse(query(queue)))
    if count is not None:
        bulk_request.check_count(found, count, one="job is waiting", many="jobs are waiting")
    elif found.total > bulk.TYPED_ABOVE:
        raise CountDiffers(f"{found.total} jobs are waiting in {queue}: send count {found.total} to cancel them all.", field="count")
    audit.about("queue", queue, count=found.total)
    if not found.total:
        return None, 0
    receipt = bulk_request.start(
        session, Verb.CANCEL, found.query, up_to=found.up_to, asked_at=found.asked_at, count=found.total, by=by, source=source
    )
    return receipt, found.total
