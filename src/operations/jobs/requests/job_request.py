"""Validate a job request and build the Submission: actor, permission, arguments, queue, idempotency key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from ....actor_schema.parameters import Arguments
from ....actor_schema.signature import Signature
from ....jobs import Submission
from ....jobs.control.edits import Edit, takes_arguments
from ....jobs.core.errors import InvalidArguments, JobsError
from ....jobs.core.models import Job
from ....jobs.options.job_options import JobOptions, given
from ....jobs.submit import earlier
from ....jobs.submit.submission import new_id
from ....jobs.workflows.submission import PlannedStep
from ....sql import database
from ...people import permissions
from ...people.caller import Caller
from .. import actor_catalogue

#: maximum length of an idempotency key, so that it fits its column with the caller's key as prefix
KEY_LENGTH = 200
#: maximum length of a unique key: its column's
UNIQUE_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class JobRequest(JobOptions):
    """An unchecked request for a job, with its options."""

    actor: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] | None = None
    queue: str | None = None
    #: why its options are refused, unless the request repeats an earlier one
    refusal: JobsError | None = None


def check(wanted: JobRequest, *, by: Caller, source: Literal["form", "api"]) -> Submission:
    """Build the submission of a request; raises UnknownActor, InvalidArguments or another JobsError naming the field."""
    actor = actor_catalogue.submittable(wanted.actor)
    permissions.require_submit(wanted.actor)
    key = own_key(wanted.idempotency_key, by)
    try:
        if wanted.refusal is not None:
            raise wanted.refusal
        args, kwargs = Signature.of(actor).check(wanted.args, wanted.kwargs or {})
    except JobsError:
        before = _accepted_before(wanted, Signature.of(actor), key)
        if before is None:
            raise
        args, kwargs = before
    message = actor.message_with_options(args=tuple(args), kwargs=kwargs)
    return Submission(
        replace(message, message_id=new_id(), queue_name=queue(wanted.queue or actor.queue_name)),
        source=source,
        submitted_by=by.name,
        **{
            **given(wanted),
            "idempotency_key": key,
            "unique_key": own_unique_key(wanted.unique_key, wanted.actor),
        },
    )


def _accepted_before(wanted: JobRequest, signature: Signature, key: str | None) -> Arguments | None:
    """The arguments of the job of this idempotency key, if the request repeats them: the clock or the disk may refuse it by now."""
    if key is None:
        return None
    with database.read() as session:
        found = earlier.call_of_key(session, key)
    if found is None or found[0] != wanted.actor:
        return None
    with suppress(InvalidArguments):
        if signature.coerce(wanted.args, wanted.kwargs or {}) == signature.coerce(*found[1:]):
            return found[1:]
    return None


def check_edit(job: Job, change: Edit) -> Edit:
    """Validate the edit of a waiting job; raises like `check`."""
    if not takes_arguments(change):
        return change
    actor = actor_catalogue.submittable(job.actor or "")
    permissions.require_submit(actor.actor_name)
    args, kwargs = Signature.of(actor).check(change.args or (), change.kwargs or {})
    return replace(change, args=args, kwargs=kwargs)


def check_step(step: PlannedStep) -> Submission:
    """Build the submission of a workflow step; placeholders for results are validated when the step starts."""
    message = step.submission.message
    signature = Signature.of(actor_catalogue.submittable(message.actor_name))
    permissions.require_submit(message.actor_name)
    if step.submission.takes_results:
        signature.refuse_masks(message.args, message.kwargs)
        misfit = signature.fits(message.args, message.kwargs)
        if misfit is not None:
            raise InvalidArguments(f"step {step.name}: {misfit}", errors={f"{step.name}.args": misfit})
        return step.submission
    try:
        args, kwargs = signature.check(message.args, message.kwargs)
    except InvalidArguments as error:
        errors = {f"{step.name}.{name}": text for name, text in error.located.items()}
        raise InvalidArguments(f"step {step.name}: {error}", errors=errors) from None
    return replace(step.submission, message=message.copy(args=tuple(args), kwargs=kwargs))


def queue(name: str) -> str:
    """The queue name; raises if no actor declares it, because no worker would consume it."""
    if name not in actor_catalogue.queues():
        raise JobsError(
            f"No actor declares a queue named {name!r}, so no worker would run the job. Choose one of: {', '.join(actor_catalogue.queues())}.",
            field="queue",
        )
    return name


def own_unique_key(key: str | None, actor: str) -> str | None:
    """A unique key in the scope of its actor, if the caller may not see all actors: it must neither find nor block a job of another one."""
    if not key or permissions.in_force() is None or key.startswith(f"{actor}:"):
        return key
    whole = f"{actor}:{key}"
    if len(whole) > UNIQUE_KEY_LENGTH:
        raise JobsError(f"A unique key has at most {UNIQUE_KEY_LENGTH} characters, {actor}: included.", field="unique_key")
    return whole


def own_key(key: str | None, by: Caller) -> str | None:
    """An idempotency key in the scope of its caller."""
    if not key:
        return None
    if len(key) > KEY_LENGTH or not key.isprintable():
        raise JobsError(f"An idempotency key has at most {KEY_LENGTH} printable characters.", field="Idempotency-Key")
    return f"{by.key}:{key}"
