"""Bulk work: actions on many jobs, in batches that can be cancelled in between, and one actor called for many elements."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import dramatiq

from .. import audit
from ..actor_schema.signature import Signature
from ..broker.options.submission import ROLES
from ..jobs import current_job
from ..jobs.control import bulk
from ..jobs.control.bulk import Order, Verb
from ..jobs.control.reach import ACT_ON_JOBS
from ..jobs.submit import defaults
from ..jobs.workflows.canvas import CALL_EACH
from ..sql.database import read, write


@dramatiq.actor(actor_name=CALL_EACH, internal=True)
def call_each(actor: str, arguments: list[list[Any]]) -> list[Any]:
    """Call an actor's function with each list of arguments, in turn, and return the list of its results.

    Submitted by canvas.chunks(). Cancel this job to stop before the next element.
    """
    called = dramatiq.get_broker().get_actor(actor)
    signature, results = Signature.of(called), []
    for number, each in enumerate(arguments):
        current_job.progress(number, len(arguments))
        args, kwargs = signature.coerce(each, {})
        results.append(called.fn(*args, **kwargs))
    return results


@dramatiq.actor(actor_name=ACT_ON_JOBS, queue_name="upkeep", internal=True, max_retries=3, time_limit=12 * 3_600_000)
def act_on_jobs(
    verb: Literal["retry", "re-run", "release", "cancel", "discard"], query: str, up_to: int, asked_at: str, by: str, by_key: str = "", role: str = "", via: str = "page"
) -> dict[str, Any]:  # fmt: skip
    """Retry, re-run, release, cancel or discard all jobs that match a query.

    Submitted by the jobs page, the API or a command; jobs that have changed meanwhile are skipped, and so are those that
    run an actor of a higher role. Cancel this job to stop: finished changes stay, the rest is not made.
    """
    above = _above(role)
    while True:
        entry = audit.PendingEntry(
            by, audit.Via(via), f"job.{verb}", by_key or None, role or None, kind="job", details={"bulk": current_job.id}
        )
        order = Order(Verb(verb), query, up_to, datetime.fromisoformat(asked_at), current_job.id, entry, above)
        with read() as session:
            so_far = bulk.progress(session, order)
        seen = so_far.done + so_far.left_alone
        current_job.progress(seen, max(so_far.total, seen), f"{verb}: {so_far.done} done, {so_far.left_alone} left alone")
        with write() as session:
            if bulk.act(session, order, so_far) is None:
                return {"verb": verb, "query": query, "done": so_far.done, "left_alone": so_far.left_alone}


def _above(role: str) -> frozenset[str]:
    """Return the roles above this one that some actor requires; none, if an earlier release kept no role."""
    higher = ROLES[ROLES.index(role) + 1 :] if role in ROLES else ()
    return frozenset(each.submit_role for each in defaults.guarded().values() if each.submit_role in higher)
