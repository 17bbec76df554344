"""Changes of a workflow by one of its running steps: other steps take its place, or join the steps that run beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from ..core import placeholders
from ..core.models import Job
from ..core.states import State
from ..core.workflow_models import StoredEdge, StoredStep, StoredWorkflow
from .steps import lock
from .submission import PlannedStep, insert_steps

#: end of the name of a step that others have replaced
REPLACED = " (replaced)"


@dataclass(frozen=True, slots=True)
class Place:
    """A step of a workflow, whose row is locked, and the names of all its steps."""

    seq: int
    name: str
    workflow_seq: int
    workflow_id: str
    names: frozenset[str]


def place_of(session: Session, id: str) -> Place | None:
    """Lock the job's workflow and return the job's place in it; None: it is not a step."""
    step = session.execute(select(StoredStep).join(Job, Job.seq == StoredStep.job_seq).where(Job.id == id)).scalar()
    if step is None:
        return None
    lock(session, [step.workflow_seq])
    workflow_id = session.execute(select(StoredWorkflow.id).where(StoredWorkflow.seq == step.workflow_seq)).scalar_one()
    names = session.execute(select(StoredStep.name).where(StoredStep.workflow_seq == step.workflow_seq)).scalars()
    return Place(step.job_seq, step.name, step.workflow_seq, workflow_id, frozenset(names))


def take_over(session: Session, place: Place, steps: Sequence[PlannedStep]) -> None:
    """Insert steps, of which the one with the name of the replaced step takes its place: what waited for that step waits for it.

    The replaced step gets a name of its own, since arguments refer to results by name.
    """
    retired = f"{place.name}{REPLACED}"
    while retired in place.names:
        retired += "'"
    session.execute(update(StoredStep).where(StoredStep.job_seq == place.seq).values(name=retired))
    seqs = insert_steps(session, place.workflow_seq, place.workflow_id, steps)
    edges = update(StoredEdge).where(StoredEdge.before_seq == place.seq)
    session.execute(edges.values(before_seq=seqs[place.name]).execution_options(synchronize_session=False))


def join(session: Session, place: Place, steps: Sequence[PlannedStep], end: str) -> bool:
    """Insert steps beside this one: what waits for a list with its result also waits for that of `end`, added to the list.

    False: no step waits for such a list.
    """
    waiting = select(Job).join(StoredEdge, StoredEdge.after_seq == Job.seq).where(StoredEdge.before_seq == place.seq)
    behind = list(session.execute(waiting.where(Job.state == State.SCHEDULED)).scalars())
    joined = {job.seq: (_joined(job.args, place.name, end), _joined(job.kwargs, place.name, end)) for job in behind}
    changed = [job for job in behind if joined[job.seq] != (job.args, job.kwargs)]
    if not changed:
        return False
    seqs = insert_steps(session, place.workflow_seq, place.workflow_id, steps)
    for job in changed:
        args, kwargs = joined[job.seq]
        session.execute(update(Job).where(Job.seq == job.seq).values(args=args, kwargs=kwargs).execution_options(synchronize_session=False))
        template = update(StoredStep).where(StoredStep.job_seq == job.seq).values(template=[args, kwargs])
        session.execute(template.execution_options(synchronize_session=False))
        session.execute(insert(StoredEdge), [{"after_seq": job.seq, "before_seq": seqs[end], "outcome": None}])
    return True


def _joined(value: Any, name: str, new: str) -> Any:
    """Return arguments in which each list of steps that holds `name` also holds `new`."""
    if isinstance(value, dict):
        if len(value) == 1 and (placeholders.RESULT in value or placeholders.OUTCOME in value):
            return {kind: _with(steps, name, new) for kind, steps in value.items()}
        return {key: _joined(inner, name, new) for key, inner in value.items()}
    return [_joined(inner, name, new) for inner in value] if isinstance(value, list | tuple) else value


def _with(steps: Any, name: str, new: str) -> Any:
    if not isinstance(steps, list):
        return steps
    return [*(_with(each, name, new) for each in steps), *([new] if name in steps else [])]
