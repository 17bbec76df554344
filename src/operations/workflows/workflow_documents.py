"""Documents of workflows; secrets are masked."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...jobs.control.workflows import Found, StepFound, Summary
from ..format.instants import write_instant
from ..jobs import job_documents


def summary(workflow: Summary) -> dict[str, Any]:
    """A workflow in a list."""
    return {
        "id": workflow.id,
        "name": workflow.name,
        "state": workflow.state,
        "submitted_by": workflow.submitted_by,
        "created_at": write_instant(workflow.created_at),
        "counts": {state.value: number for state, number in workflow.counts.items()},
    }


def whole(workflow: Found) -> dict[str, Any]:
    """A workflow with its steps in submission order."""
    return {
        "id": workflow.id,
        "name": workflow.name,
        "state": workflow.state,
        "on_dead": workflow.on_dead,
        "submitted_by": workflow.submitted_by,
        "created_at": write_instant(workflow.created_at),
        "finished_at": write_instant(workflow.finished_at),
        "counts": dict(Counter(step.state.value for step in workflow.steps)),
        "steps": [_step(workflow, step) for step in workflow.steps],
    }


def _step(workflow: Found, step: StepFound) -> dict[str, Any]:
    args, kwargs = job_documents.arguments(step)
    return {
        "name": step.name,
        "job": step.job_id,
        "actor": step.actor,
        "state": step.state.value,
        "reason": step.reason,
        "after": [edge.before for edge in workflow.edges if edge.after == step.name],
        "when": step.when.value,
        "fate": None if step.fate is None else step.fate.value,
        "args": args,
        "kwargs": kwargs,
        "result": step.result,
        "error": step.error,
        "attempt": step.attempt,
        "released_at": write_instant(step.released_at),
        "started_at": write_instant(step.started_at),
        "finished_at": write_instant(step.finished_at),
    }
