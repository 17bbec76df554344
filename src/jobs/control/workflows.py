"""Workflow control: status, cancel, retry failed steps. To build one: src/jobs/workflows/canvas.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ... import audit
from ..core.errors import NotAllowed, UnknownJob
from ..core.models import Job
from ..core.states import State
from ..core.workflow_models import End, Fate, StoredEdge, StoredStep, StoredWorkflow, When
from ..finish import ending
from ..read import run_times
from ..workflows import steps as workflow_steps
from . import actions

__all__ = ["Edge", "Found", "Page", "StepFound", "Summary", "cancel", "find", "page", "retry"]


@dataclass(frozen=True, slots=True)
class StepFound:
    """One step with its present state. `fate`: why a waiting or cancelled step will not run."""

    name: str
    job_id: str
    actor: str
    state: State
    reason: str | None
    when: When
    fate: Fate | None
    args: Any
    kwargs: Any
    result: Any
    error: str | None
    attempt: int
    released_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    progress_done: int | None = None
    progress_total: int | None = None
    rerun_of: str | None = None  # id of the job that it re-runs
    ran: timedelta | None = None  # its newest attempt, which has ended

    def run_time(self, present: datetime) -> timedelta | None:
        """The duration of its newest attempt, so far if it is running."""
        return present - self.started_at if self.state is State.RUNNING and self.started_at is not None else self.ran

    @property
    def share(self) -> float | None:
        """The part that is done, from 0 to 1; None: unknown."""
        if self.progress_done is None or not self.progress_total or self.progress_total < 0:
            return None
        return min(max(self.progress_done / self.progress_total, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Edge:
    """`after` waits for `before`; `outcome` is None until `before` has ended."""

    before: str
    after: str
    outcome: End | None


@dataclass(frozen=True, slots=True)
class Found:
    """A workflow with its steps in the order they were built."""

    id: str
    name: str
    on_dead: str
    state: str
    submitted_by: str | None
    created_at: datetime
    finished_at: datetime | None
    steps: list[StepFound]
    edges: list[Edge]
    rerun_of: str | None = None  # id of the workflow whose steps it runs again

    def step(self, name: str) -> StepFound:
        return next(step for step in self.steps if step.name == name)


@dataclass(frozen=True, slots=True)
class Summary:
    """A workflow in a list: number of its steps in each state."""

    seq: int
    id: str
    name: str
    state: str
    submitted_by: str | None
    created_at: datetime
    counts: dict[State, int]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of workflows, newest first; pass `next` as `after` for the following page."""

    workflows: list[Summary]
    next: int | None


def find(session: Session, id: str) -> Found | None:
    """Return the workflow of this id with its steps and edges."""
    workflow = session.execute(select(StoredWorkflow).where(StoredWorkflow.id == id)).scalars().first()
    if workflow is None:
        return None
    statement = select(StoredStep, Job).join(Job, Job.seq == StoredStep.job_seq).where(StoredStep.workflow_seq == workflow.seq)
    rows = session.execute(statement.order_by(StoredStep.job_seq).execution_options(populate_existing=True)).all()
    names = {step.job_seq: step.name for step, _ in rows}
    ran = run_times.of(session, [job for _, job in rows])
    steps = [_found(step, job, ran.get(job.seq)) for step, job in rows]
    state = _state(Counter((step.state, step.fate) for step in steps))
    ends = [step.finished_at for step in steps if step.finished_at is not None]
    finished_at = max(ends, default=workflow.created_at) if len(ends) == len(steps) else None
    return Found(
        id=workflow.id, name=workflow.name, on_dead=workflow.on_dead.value, state=state, submitted_by=workflow.submitted_by,
        created_at=workflow.created_at, finished_at=finished_at, steps=steps, edges=_edges(session, workflow.seq, names),
        rerun_of=_rerun_of(session, steps),
    )  # fmt: skip


def page(session: Session, *, after: int | None = None, limit: int = 50) -> Page:
    """Return a page of workflows, newest first, older than `after`."""
    statement = select(StoredWorkflow).order_by(StoredWorkflow.seq.desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(StoredWorkflow.seq < after)
    found = list(session.execute(statement).scalars())
    counted = (
        select(StoredStep.workflow_seq, Job.state, StoredStep.fate, func.count())
        .join(Job, Job.seq == StoredStep.job_seq)
        .where(StoredStep.workflow_seq.in_([one.seq for one in found]))
        .group_by(StoredStep.workflow_seq, Job.state, StoredStep.fate)
    )
    counts: dict[int, Counter[tuple[State, Fate | None]]] = {one.seq: Counter() for one in found}
    for seq, state, fate, number in session.execute(counted):
        counts[seq][state, fate] += number
    return Page([_summary(one, counts[one.seq]) for one in found[:limit]], found[limit - 1].seq if len(found) > limit else None)


def cancel(session: Session, id: str) -> int:
    """Cancel every unfinished step, callbacks too; ask running ones to stop. Return their number."""
    return ending.cancel_workflow(session, locked(session, id))


def retry(session: Session, id: str) -> int:
    """Retry the steps that are dead, cancelled or expired, so that the workflow continues; return their number."""
    seq = locked(session, id)
    ended = select(Job.id).join(StoredStep, StoredStep.job_seq == Job.seq).where(StoredStep.workflow_seq == seq)
    # A blocked step has ended only if it was cancelled or has expired meanwhile; one that its workflow cancelled comes back by itself.
    ended = ended.where(or_(StoredStep.fate.is_(None), StoredStep.fate == Fate.BLOCKED))
    statement = ended.where(Job.state.in_([State.DEAD, State.CANCELLED, State.EXPIRED])).order_by(Job.seq)
    retried = 0
    refused: NotAllowed | None = None
    for job_id in list(session.execute(statement).scalars()):
        try:
            actions.retry(session, job_id)
            retried += 1
        except NotAllowed as error:
            refused = error  # e.g. its unique key is taken; the others can continue
    if not retried:
        raise refused or NotAllowed("no step of this workflow is dead, cancelled or expired")
    return retried


def locked(session: Session, id: str) -> int:
    """Lock the workflow of this id and return its seq; raises UnknownJob."""
    seq = session.execute(select(StoredWorkflow.seq).where(StoredWorkflow.id == id)).scalar()
    if seq is None:
        raise UnknownJob(f"There is no workflow {id}.", field="id")
    workflow_steps.lock(session, [seq])
    audit.about("workflow", id)
    return seq


def _rerun_of(session: Session, steps: Sequence[StepFound]) -> str | None:
    first = next((step.rerun_of for step in steps if step.rerun_of is not None), None)
    if first is None:
        return None
    statement = select(StoredWorkflow.id).join(Job, Job.workflow_seq == StoredWorkflow.seq).where(Job.id == first)
    return session.execute(statement).scalar()


def _edges(session: Session, workflow_seq: int, names: dict[int, str]) -> list[Edge]:
    statement = (
        select(StoredEdge).join(StoredStep, StoredStep.job_seq == StoredEdge.after_seq).where(StoredStep.workflow_seq == workflow_seq)
    )
    rows = session.execute(
        statement.order_by(StoredEdge.after_seq, StoredEdge.before_seq).execution_options(populate_existing=True)
    ).scalars()
    # Retention may have deleted a part of it.
    return [
        Edge(names[row.before_seq], names[row.after_seq], row.outcome) for row in rows if {row.before_seq, row.after_seq} <= names.keys()
    ]


def _found(step: StoredStep, job: Job, ran: timedelta | None) -> StepFound:
    return StepFound(
        name=step.name, job_id=job.id, actor=job.actor or "", state=job.state, reason=job.reason, when=step.runs_on, fate=step.fate, args=job.args,
        kwargs=job.kwargs, result=job.result, error=job.error, attempt=job.attempt, released_at=step.released_at, started_at=job.started_at,
        finished_at=job.finished_at, progress_done=job.progress_done, progress_total=job.progress_total, rerun_of=job.rerun_of, ran=ran,
    )  # fmt: skip


def _summary(workflow: StoredWorkflow, counts: Counter[tuple[State, Fate | None]]) -> Summary:
    by_state: Counter[State] = Counter()
    for (state, _), number in counts.items():
        by_state[state] += number
    return Summary(
        workflow.seq, workflow.id, workflow.name, _state(counts), workflow.submitted_by, workflow.created_at,
        {state: by_state[state] for state in State if by_state[state]},
    )  # fmt: skip


def _state(counts: Counter[tuple[State, Fate | None]]) -> str:
    """Return one state for the whole workflow: the most important among its steps."""
    alive = {(state, fate) for (state, fate), number in counts.items() if number and fate is not Fate.NOT_NEEDED}
    states = {state for state, _ in alive}
    if states & {State.QUEUED, State.RUNNING, State.RETRYING}:
        return State.RUNNING.value
    if State.HELD in states:
        return State.HELD.value
    if (State.SCHEDULED, None) in alive:
        return State.RUNNING if states - {State.SCHEDULED} else State.SCHEDULED
    if (State.SCHEDULED, Fate.BLOCKED) in alive:
        return Fate.BLOCKED.value
    for state in (State.DEAD, State.EXPIRED, State.CANCELLED):
        if state in states:
            return state.value
    return State.SUCCEEDED.value


@dataclass(frozen=True, slots=True)
class Membership:
    """A job's place in its workflow."""

    id: str
    name: str
    step: str


def membership(session: Session, job: Job) -> Membership | None:
    """Return the workflow that the job is a step of, and the step's name in it."""
    if job.workflow_seq is None:
        return None
    statement = select(StoredWorkflow.id, StoredWorkflow.name, StoredStep.name).join(
        StoredStep, StoredStep.workflow_seq == StoredWorkflow.seq
    )
    found = session.execute(statement.where(StoredStep.job_seq == job.seq)).first()
    return None if found is None else Membership(*found)


def submitted(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """Map job id -> id of its workflow, for the jobs that are steps."""
    statement = select(Job.id, StoredWorkflow.id).join(StoredWorkflow, StoredWorkflow.seq == Job.workflow_seq).where(Job.id.in_(ids))
    return dict(session.execute(statement).all())
