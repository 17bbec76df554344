"""Documents of jobs; secrets are masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from .... import console
from ....actor_schema.signature import Signature
from ....importing import lacks_actors
from ....jobs.control import reach
from ....jobs.control.waiting_reasons import LinkKind
from ....jobs.core.errors import UnknownActor
from ....jobs.core.models import Attempt, Job
from ....jobs.core.states import HeldFor, Outcome, Source, State
from ....jobs.read.attempts import NEWEST
from ....telemetry import tracing
from ...format.document_fields import Args, Instant, Json, Kwargs, Next
from ...format.instants import write_instant
from ...format.json_documents import MASK, hidden
from ...people import permissions
from .. import actor_catalogue, option_bodies
from .job_context import JobContext


@with_config(ConfigDict(json_schema_extra=option_bodies.describe_listed))
class JobSummary(TypedDict):
    """A job in a list."""

    id: str
    actor: Annotated[str | None, Field(description="null: the message could not be decoded")]
    queue: str
    state: State
    reason: Annotated[str | None, Field(description="why it waits, is held, or ended")]
    args: Args
    kwargs: Kwargs
    source: Annotated[str, Field(description=f"what submitted it: {', '.join(Source)}")]
    submitted_by: str | None
    attempt: Annotated[int, Field(description="number of the newest attempt; 0: none yet")]
    cancel_requested: bool
    cancelling: Annotated[bool, Field(description="it still runs, and has been asked to stop")]
    created_at: Instant
    due_at: Instant | None
    expires_at: Instant | None
    started_at: Annotated[Instant | None, Field(description="start of the newest attempt")]
    finished_at: Annotated[Instant | None, Field(description="when a final state was reached")]


class Page(TypedDict):
    """A page of the list of jobs, newest first."""

    jobs: list[JobSummary]
    next: Next
    partial: Annotated[bool, Field(description="the search ran out of time: `next` continues where it stopped")]


class AttemptDocument(TypedDict):
    """An attempt that has ended."""

    number: int
    worker: Annotated[str, Field(description="host:pid")]
    started_at: Instant
    finished_at: Instant
    outcome: Outcome
    cpu_seconds: Annotated[float | None, Field(description="CPU time of its thread, or of its process; null: not known")]
    memory_bytes: Annotated[int | None, Field(description="peak memory of the process of an isolated attempt; null: not known")]
    error: str | None
    traceback: str | None


class Progress(TypedDict):
    """Progress, as the actor reports it."""

    done: int
    total: int | None
    message: str | None


class StepOf(TypedDict):
    """The workflow of a job, and the name of its step."""

    id: str
    name: str
    step: str


class WaitingOn(TypedDict):
    """A thing that a job waits for."""

    kind: LinkKind
    name: Annotated[str, Field(description="its name or id; of `jobs`: a query; empty where the kind says it all")]


class UniquePeriod(TypedDict):
    """A unique key that is taken for a period, whatever the state of its job."""

    key: str
    until: Instant


class LinkDocument(TypedDict):
    """A link of a team's own, filled with the job's arguments."""

    label: str
    url: Annotated[str, Field(json_schema_extra={"format": "uri"})]


@with_config(ConfigDict(json_schema_extra=option_bodies.describe_shown))
class JobDocument(JobSummary):
    """A job with its result, error, progress and newest attempts."""

    waiting_because: Annotated[list[str], Field(description="every reason why the job is not running, the first to fix first")]
    waiting_on: Annotated[list[WaitingOn], Field(description="what these reasons name, in their order")]
    waits_for: Annotated[str | None, Field(description="the resource that makes a waiting job due early")]
    slot_at: Annotated[Instant | None, Field(description="the reserved start under a rate limit")]
    paused_by: Annotated[str | None, Field(description="target of the pause that applies")]
    held_for: HeldFor | None
    unique_period: Annotated[UniquePeriod | None, Field(description="its key of `unique_for`, while no other job may have it")]
    workflow: StepOf | None
    trace_id: str | None
    failures: Annotated[int, Field(description="failed attempts since submission or an operator's retry")]
    crashes: Annotated[int, Field(description="workers lost while running it since then")]
    stalled: Annotated[str | None, Field(description="why a running job counts as stalled")]
    result: Annotated[Json, Field(description="the actor's return value: any JSON; null also if it is in a file")]
    result_bytes: Annotated[int | None, Field(description="size of a result in a file, see /jobs/{id}/result")]
    error: Annotated[str | None, Field(description="type and message of the newest failure")]
    progress: Progress | None
    links: Annotated[list[LinkDocument], Field(description="declared by `callboard.console.link`")]
    attempts: Annotated[
        list[AttemptDocument],
        Field(description=f"of the newest {NEWEST}, those that have ended, oldest first; all: /jobs/{{id}}/attempts"),
    ]


class AttemptsPage(TypedDict):
    """A page of the ended attempts of a job, newest first."""

    attempts: list[AttemptDocument]
    next: Next


def summary(job: Job) -> JobSummary:
    """A job in a list."""
    args, kwargs = arguments(job)
    return {
        "id": job.id,
        "actor": job.actor,
        "queue": job.queue,
        "state": job.state,
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


def whole(job: Job, context: JobContext) -> JobDocument:
    """A job with result, error, progress, newest attempts, waiting reasons and context.

    A result in a file is left out: `result_bytes` gives its size, /jobs/{id}/result its content.
    """
    progress: Progress | None = None
    step = context.step
    if job.progress_done is not None:
        progress = {"done": job.progress_done, "total": job.progress_total, "message": job.progress_message}
    return {
        **summary(job),
        "reason": context.reason(job),
        "waiting_because": [each.text for each in context.because],
        "waiting_on": [
            {"kind": link.kind, "name": link.name} for link in dict.fromkeys(link for each in context.because for link in each.links)
        ],
        "waits_for": job.waits_for if job.state.is_waiting else None,
        "slot_at": write_instant(job.slot_at) if job.state.is_waiting else None,
        "paused_by": context.pause.target if context.pause else None,
        "held_for": job.held_for,
        **_options(job, listed=False),
        "unique_period": {"key": context.unique.key, "until": write_instant(context.unique.until)} if context.unique else None,
        "workflow": {"id": step.id, "name": step.name, "step": step.step} if step else None,
        "trace_id": tracing.trace_id(job.options),
        "failures": job.failures,
        "crashes": job.crashes,
        "stalled": context.stalled,
        "result": job.result,
        "result_bytes": job.result_bytes,
        "error": job.error,
        "progress": progress,
        "links": [{"label": label, "url": url} for label, url in links(job)],
        "attempts": [attempt_document(each) for each in job.attempts],
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
    try:
        signature = Signature.of(actor_catalogue.find(job.actor or ""))
    except UnknownActor:
        return (hidden(job.args), hidden(job.kwargs)) if lacks_actors() else (job.args, job.kwargs)
    if not signature.secrets or not isinstance(job.args, list) or not isinstance(job.kwargs, Mapping):
        return job.args, job.kwargs
    positional = [MASK if name in signature.secrets else value for name, value in zip(names(job), job.args, strict=True)]
    return positional, {name: MASK if signature.hides(name) else value for name, value in job.kwargs.items()}


def message_options(job: Job) -> dict[str, Any]:
    """The options of its message; what follows it is masked if the caller may not see its actor."""
    limited = permissions.in_force()
    return {name: value if _is_seen(limited, name, value) else permissions.MASKED for name, value in (job.options or {}).items()}


def _is_seen(limited: permissions.Sight | None, name: str, value: Any) -> bool:
    return all(permissions.fits(limited, actor) for actor in reach.of_calls(reach.Call(None, (), {}, {name: value})).actors)


def links(job: Job) -> list[tuple[str, str]]:
    """Labels and addresses of the job's links; an argument that is secret or of no known name fills none."""
    args, kwargs = arguments(job)
    values = dict(zip(names(job), args, strict=True)) if isinstance(args, list) else {}
    values |= kwargs if isinstance(kwargs, Mapping) else {}
    return console.links(job.actor or "", {name: value for name, value in values.items() if value != MASK} | {"job_id": job.id})


def names(job: Called) -> list[str]:
    """Parameter names of the positional arguments; numbers if the actor is not loaded."""
    try:
        known = Signature.of(actor_catalogue.find(job.actor or "")).positional_names(len(job.args))
    except UnknownActor:
        known = []
    return [*known, *(str(number) for number in range(len(known), len(job.args)))]


def _options(job: Job, *, listed: bool) -> Any:
    return {option.field: value for option, value in option_bodies.shown(job) if option.listed is listed}


def attempt_document(attempt: Attempt) -> AttemptDocument:
    """An attempt that has ended."""
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "started_at": write_instant(attempt.started_at),
        "finished_at": write_instant(attempt.finished_at),
        "outcome": attempt.outcome,
        "cpu_seconds": None if attempt.cpu_us is None else attempt.cpu_us / 1_000_000,
        "memory_bytes": attempt.memory_bytes,
        "error": attempt.error,
        "traceback": attempt.traceback,
    }
