"""Documents of workflows; secrets are masked."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...jobs.control.workflows import Found, StepFound, Summary
from ...jobs.core.states import State
from ...jobs.core.workflow_models import Fate, When
from ...sql.clock import now
from ..format.document_fields import Args, Instant, Json, Kwargs, Next
from ..format.instants import write_instant
from ..jobs.documents import job_documents
from .critical_path import critical_path


class WorkflowSummary(TypedDict):
    """A workflow in a list."""

    id: str
    name: str
    state: Annotated[str, Field(description="the most important state among its steps, or blocked")]
    submitted_by: str | None
    created_at: Instant
    counts: Annotated[dict[State, int], Field(description="number of steps by state")]


class WorkflowsPage(TypedDict):
    """A page of the list of workflows, newest first."""

    workflows: list[WorkflowSummary]
    next: Next


class StepDocument(TypedDict):
    """A step of a workflow with its live state."""

    name: str
    job: Annotated[str, Field(description="id of its job")]
    actor: str
    state: State
    reason: str | None
    after: Annotated[list[str], Field(description="names of the steps it waits for")]
    when: When
    fate: Annotated[Fate | None, Field(description="why a waiting or cancelled step will not run")]
    args: Args
    kwargs: Kwargs
    result: Annotated[Json, Field(description="the actor's return value: any JSON")]
    error: str | None
    attempt: int
    progress: Annotated[float | None, Field(description="the part that is done, from 0 to 1; null: unknown")]
    critical: Annotated[bool, Field(description="it is on the critical path")]
    released_at: Instant | None
    started_at: Instant | None
    finished_at: Instant | None


class WorkflowDocument(WorkflowSummary):
    """A workflow with its steps in submission order."""

    on_dead: Annotated[str, Field(description="wait or cancel: handling of later steps if a step is dead")]
    finished_at: Instant | None
    critical_path: Annotated[list[str], Field(description="names of the steps that determine its end, so far")]
    rerun_of: Annotated[str | None, Field(description="id of the workflow whose steps it runs again")]
    steps: list[StepDocument]


def summary(workflow: Summary) -> WorkflowSummary:
    """A workflow in a list."""
    return {
        "id": workflow.id,
        "name": workflow.name,
        "state": workflow.state,
        "submitted_by": workflow.submitted_by,
        "created_at": write_instant(workflow.created_at),
        "counts": dict(workflow.counts),
    }


def whole(workflow: Found) -> WorkflowDocument:
    """A workflow with its steps in submission order."""
    path = critical_path(workflow, now())
    critical = [] if path is None else path.names
    return {
        "id": workflow.id,
        "name": workflow.name,
        "state": workflow.state,
        "on_dead": workflow.on_dead,
        "submitted_by": workflow.submitted_by,
        "created_at": write_instant(workflow.created_at),
        "finished_at": write_instant(workflow.finished_at),
        "counts": dict(Counter(step.state for step in workflow.steps)),
        "critical_path": critical,
        "rerun_of": workflow.rerun_of,
        "steps": [_step(workflow, step, step.name in critical) for step in workflow.steps],
    }


def _step(workflow: Found, step: StepFound, is_critical: bool) -> StepDocument:
    args, kwargs = job_documents.arguments(step)
    return {
        "name": step.name,
        "job": step.job_id,
        "actor": step.actor,
        "state": step.state,
        "reason": step.reason,
        "after": [edge.before for edge in workflow.edges if edge.after == step.name],
        "when": step.when,
        "fate": step.fate,
        "args": args,
        "kwargs": kwargs,
        "result": step.result,
        "error": step.error,
        "attempt": step.attempt,
        "progress": step.share,
        "critical": is_critical,
        "released_at": write_instant(step.released_at),
        "started_at": write_instant(step.started_at),
        "finished_at": write_instant(step.finished_at),
    }
