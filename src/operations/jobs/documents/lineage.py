"""Lineage of a job: where it comes from, and the jobs that followed from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from ....jobs.batches.models import Batch, BatchRow
from ....jobs.control import workflows
from ....jobs.core.models import Job
from ....jobs.core.states import Source, State
from ....jobs.core.workflow_models import StoredEdge, StoredStep
from ....jobs.submit import reruns
from ....schedules.rows import queries as schedules

#: source of a job -> its relation to the job that it follows, and the reverse; others were submitted by its actor
_FOLLOWS = {Source.CALLBACK.value: "callback of", Source.PIPELINE.value: "after"}
_LED_TO = {Source.CALLBACK.value: "callback", Source.PIPELINE.value: "followed by"}
#: relatives of one kind that are listed
MOST = 20


class Kind(StrEnum):
    """Kind of a relative."""

    JOB = "job"
    WORKFLOW = "workflow"
    SCHEDULE = "schedule"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Relative:
    """One relative. `relation`: the job is, or was, … it."""

    relation: str
    kind: Kind
    id: str
    name: str
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    """Parents: what the job comes from. Children: what followed from it."""

    parents: list[Relative]
    children: list[Relative]


class RelativeDocument(TypedDict):
    """A relative of a job."""

    relation: str
    kind: Kind
    id: str
    name: Annotated[str, Field(description="of a job: its actor, or its step")]
    state: Annotated[State | None, Field(description="of a job")]


class LineageDocument(TypedDict):
    """Where a job comes from, and what followed from it."""

    parents: list[RelativeDocument]
    children: list[RelativeDocument]


def lineage(session: Session, job: Job) -> Lineage:
    """Return the relatives of a job that the caller may see, at most twenty of a kind."""
    parents = [*_origins(session, job), *_steps(session, job, before=True)]
    again = [Relative("re-run as", Kind.JOB, each["id"], job.actor or "", each["state"]) for each in reruns.of(session, job.id, limit=MOST)]
    return Lineage(parents, [*again, *_offspring(session, job), *_steps(session, job, before=False)])


def document(session: Session, job: Job) -> LineageDocument:
    """Return the lineage as a document."""
    found = lineage(session, job)
    return {"parents": [_document(each) for each in found.parents], "children": [_document(each) for each in found.children]}


def _document(each: Relative) -> RelativeDocument:
    return {"relation": each.relation, "kind": each.kind, "id": each.id, "name": each.name, "state": each.state}


def _origins(session: Session, job: Job) -> list[Relative]:
    found: list[Relative] = []
    if job.rerun_of is not None:
        found += _job(session, "re-run of", job.rerun_of)
    if job.parent_id is not None:
        found += _job(session, _FOLLOWS.get(job.source, "submitted by"), job.parent_id)
    if (step := workflows.membership(session, job)) is not None:
        found.append(Relative(f"step {step.step} of workflow", Kind.WORKFLOW, step.id, step.name))
    if (tick := schedules.of_job(session, job.id)) is not None:
        found.append(Relative("submitted by schedule", Kind.SCHEDULE, str(tick[0].id), tick[0].name))
    row = select(BatchRow.number, Batch.id, Batch.name).join(Batch, Batch.id == BatchRow.batch_id).where(BatchRow.job_id == job.id).limit(1)
    if (of_batch := session.execute(row).first()) is not None:
        found.append(Relative(f"row {of_batch.number} of batch", Kind.BATCH, of_batch.id, of_batch.name))
    return found


def _job(session: Session, relation: str, id: str) -> list[Relative]:
    row = session.execute(select(Job.id, Job.actor, Job.state).where(Job.id == id)).first()
    return [] if row is None else [Relative(relation, Kind.JOB, row.id, row.actor or "", row.state)]


def _offspring(session: Session, job: Job) -> list[Relative]:
    """Return the jobs that its actor submitted, or that followed it."""
    statement = select(Job.id, Job.actor, Job.state, Job.source).where(Job.parent_id == job.id).order_by(Job.seq).limit(MOST)
    return [
        Relative(_LED_TO.get(row.source, "submitted"), Kind.JOB, row.id, row.actor or "", row.state) for row in session.execute(statement)
    ]


def _steps(session: Session, job: Job, *, before: bool) -> list[Relative]:
    """Return the steps directly before or after a step."""
    if job.workflow_seq is None:
        return []
    own, other = (StoredEdge.after_seq, StoredEdge.before_seq) if before else (StoredEdge.before_seq, StoredEdge.after_seq)
    statement = (
        select(Job.id, Job.state, StoredStep.name)
        .join(StoredStep, StoredStep.job_seq == Job.seq)
        .join(StoredEdge, other == Job.seq)
        .where(own == job.seq)
    )
    rows = session.execute(statement.order_by(Job.seq).limit(MOST))
    return [Relative("after step" if before else "before step", Kind.JOB, row.id, row.name, row.state) for row in rows]
