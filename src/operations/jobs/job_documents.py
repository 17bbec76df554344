"""Documents of jobs; secrets are masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ...actor_schema.signature import Signature
from ...jobs.core.errors import UnknownActor
from ...jobs.core.models import Attempt, Job
from ...telemetry import tracing
from ..format.instants import write_instant
from ..format.json_documents import MASK
from . import actor_catalogue, option_bodies
from .job_context import JobContext


def summary(job: Job) -> dict[str, Any]:
    """A job in a list."""
    args, kwargs = arguments(job)
    return {
        "id": job.id,
        "actor": job.actor,
        "queue": job.queue,
        "state": job.state.value,
        "reason": job.reason,
        "args": args,
        "kwargs": kwargs,
        **_options(job, listed=True),
        "source": job.source,
        "submitted_by": job.submitted_by,
        "attempt": job.attempt,
        "cancel_requested": job.cancel_requested,
        "cancelling": job.is_cancelling,
        "created_at": write_instant(job.created_at),
        "due_at": write_instant(job.due_at),
        "expires_at": write_instant(job.expires_at),
        "started_at": write_instant(job.started_at),
        "finished_at": write_instant(job.finished_at),
    }


def whole(job: Job, context: JobContext) -> dict[str, Any]:
    """A job with result, error, progress, attempts, waiting reasons and context.

    A result in a file is left out: `result_bytes` gives its size, /jobs/{id}/result its content.
    """
    progress, step = None, context.step
    if job.progress_done is not None:
        progress = {"done": job.progress_done, "total": job.progress_total, "message": job.progress_message}
    return {
        **summary(job),
        "reason": context.reason(job),
        "waiting_because": list(context.because),
        "waits_for": job.waits_for if job.state.is_waiting else None,
        "slot_at": write_instant(job.slot_at) if job.state.is_waiting else None,
        "paused_by": context.pause.target if context.pause else None,
        "held_for": job.held_for.value if job.held_for else None,
        **_options(job, listed=False),
        "workflow": {"id": step.id, "name": step.name, "step": step.step} if step else None,
        "trace_id": tracing.trace_id(job.options),
        "failures": job.failures,
        "crashes": job.crashes,
        "stalled": context.stalled,
        "result": job.result,
        "result_bytes": job.result_bytes,
        "error": job.error,
        "progress": progress,
        "attempts": [_attempt(attempt) for attempt in job.attempts],
    }


class Called(Protocol):
    """Protocol of objects with an actor and arguments: a job or a workflow step."""

    @property
    def actor(self) -> str | None: ...
    @property
    def args(self) -> Any: ...
    @property
    def kwargs(self) -> Any: ...


def arguments(job: Called) -> tuple[Any, Any]:
    """The arguments with secrets masked."""
    secrets = _secrets(job.actor)
    if not secrets or not isinstance(job.args, list) or not isinstance(job.kwargs, Mapping):
        return job.args, job.kwargs
    positional = [MASK if name in secrets else value for name, value in zip(names(job), job.args, strict=True)]
    return positional, {name: MASK if name in secrets else value for name, value in job.kwargs.items()}


def names(job: Called) -> list[str]:
    """Parameter names of the positional arguments; numbers if the actor is not loaded."""
    try:
        known = Signature.of(actor_catalogue.find(job.actor or "")).positional_names(len(job.args))
    except UnknownActor:
        known = []
    return [*known, *(str(number) for number in range(len(known), len(job.args)))]


def _options(job: Job, *, listed: bool) -> dict[str, Any]:
    return {option.field: value for option, value in option_bodies.shown(job) if option.listed is listed}


def _secrets(actor: str | None) -> frozenset[str]:
    try:
        return Signature.of(actor_catalogue.find(actor or "")).secrets
    except UnknownActor:
        return frozenset()


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "started_at": write_instant(attempt.started_at),
        "finished_at": write_instant(attempt.finished_at),
        "outcome": attempt.outcome.value,
        "error": attempt.error,
        "traceback": attempt.traceback,
    }
