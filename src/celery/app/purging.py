"""Purge: cancel the waiting jobs of the tasks' queues, some per transaction."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from sqlalchemy import select

from ...jobs.control import actions
from ...jobs.core.errors import NotAllowed, UnknownJob
from ...jobs.core.models import Job
from ...jobs.core.states import State
from ...jobs.read.queries import NOT_SUCCEEDED
from ...sql.database import write
from ..core import registry, routes
from ..task.declaration import queue_of

#: jobs per transaction: few enough not to block others
AT_ONCE = 50
_WAITING = (State.SCHEDULED, State.QUEUED, State.RETRYING)


def queues_of_tasks() -> list[str]:
    """Return the queues of every task, and those that the configuration names."""
    found = {queue_of(task) for task in registry.tasks.values()}
    return sorted(found.union(*(routes.queues(app.conf) for app in registry.apps())))


def purge(queues: Collection[str]) -> int:
    """Cancel the waiting jobs of these queues, newest first, and return their number; a job sent meanwhile stays."""
    waiting = (
        select(Job.seq, Job.id).where(NOT_SUCCEEDED, Job.queue.in_(queues), Job.state.in_(_WAITING)).order_by(Job.seq.desc()).limit(AT_ONCE)
    )
    number, chosen = 0, waiting
    while True:
        with write() as session:
            found = session.execute(chosen).all()
            for job in found:
                with suppress(NotAllowed, UnknownJob):  # it has started or ended meanwhile
                    actions.cancel(session, job.id)
                    number += 1
        if not found:
            return number
        chosen = waiting.where(Job.seq < found[-1].seq)
