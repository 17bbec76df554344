"""Worker commands: an operator's `quiet` or `stop` is a column of the worker's row, read at its next heartbeat."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from ... import COMMAND, audit
from ...sql.direct import Direct
from ...sql.statements import Single
from ..core.errors import JobsError
from ..core.models import Worker
from ..core.states import WorkerCommand
from .workers import alive

_COMMAND = Single("SELECT wish FROM workers WHERE id = :id")


class UnknownWorker(JobsError):
    """No living worker has this name."""


def ask(session: Session, name: str, command: WorkerCommand | None, *, by: str) -> Worker:
    """Give the living worker of that name (host:pid) this command; None: continue as usual. Raises UnknownWorker.

    `stop` cannot be revoked: the worker may have exited already.
    """
    found = next((worker for worker in reversed(alive(session)) if worker.name == name), None)
    if found is None:
        raise UnknownWorker(f"There is no living worker named {name}. {COMMAND} workers and GET /api/v1/workers list them.", field="name")
    audit.about("worker", found.name)
    mine = update(Worker).where(Worker.id == found.id)
    if command is not WorkerCommand.STOP:
        # Compare and set in one: if two operators disagree, `stop` wins.
        mine = mine.where(Worker.wish.is_distinct_from(WorkerCommand.STOP))
    if session.execute(mine.values(wish=command, wished_by=by[:255] if command else None).returning(Worker.id)).first() is None:
        raise JobsError(f"{name} is already stopping once its jobs are finished: this cannot be undone.", field="name")
    session.refresh(found)
    return found


def of(session: Session | Direct, worker_id: int) -> WorkerCommand | None:
    """Return the command for this worker."""
    return next((WorkerCommand(command) for (command,) in _COMMAND.fetch(session, id=worker_id) if command), None)


def copy_to(session: Session, worker_id: int, command: WorkerCommand, *, by: str | None = None) -> None:
    """Write the command into the row of a process that had to register again, or that gives itself one (`by`: why)."""
    session.execute(update(Worker).where(Worker.id == worker_id).values(wish=command, wished_by=by))
