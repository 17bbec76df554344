"""Adoption: a message of Celery becomes a job, or a workflow, whose ids are those of its tasks. One that cannot is held."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import dramatiq
from dramatiq import Message
from sqlalchemy import select
from sqlalchemy.orm import Session

from ...broker.consume.celery_messages import CeleryMessage
from ...jobs.control import held
from ...jobs.core.errors import JobsError
from ...jobs.core.models import Job
from ...jobs.submit.requests import Submission, submission_of
from ...jobs.submit.submission import check, submit_many
from ...jobs.workflows.canvas import Workflow
from ...logs import get_logger
from ..base import values
from ..canvas import layout
from ..canvas.signatures import Signature
from ..core import messages as calls
from ..core import registry, routes
from ..task.builtins import CHORD_UNLOCK
from . import chords, signatures
from .reading import Call, Unreadable, id_of, read

log = get_logger(__name__)


def take(session: Session, messages: Sequence[CeleryMessage]) -> None:
    """Insert the rows of these messages. A task id that has a row is a repetition, and changes nothing."""
    found = [each for message in messages if (each := _read(session, message)) is not None]
    known = _known(session, [call.id for _, call in found])
    singles: list[Submission] = []
    for message, call in found:
        if call.id in known:
            continue
        known.add(call.id)
        try:
            joined = chords.parts(call)
            wanted = chords.header(call) if call.task == CHORD_UNLOCK else _wanted(session, call, message.queue)
        except Exception as error:  # noqa: BLE001 - whatever a producer has sent is kept, and stops no other message
            _hold(session, message, call, error)
            continue
        if isinstance(wanted, chords.Header):
            chords.gather(session, wanted)
        elif isinstance(wanted, Workflow):
            wanted.submit(session)
        else:
            singles.append(wanted)
        for part in joined:
            chords.join(session, part)
    if singles:
        submit_many(session, singles)


def _read(session: Session, message: CeleryMessage) -> tuple[CeleryMessage, Call] | None:
    try:
        return message, read(message)
    except Unreadable as error:
        _keep_whole(session, message, error)
        return None


def _wanted(session: Session, call: Call, queue: str) -> Submission | Workflow:
    """Return what to submit. Raises an error, before any row is written, if it cannot be."""
    signature = signatures.whole(call, queue)
    if type(signature) is Signature and not signature.options.keys() & {"link", "link_error"}:
        message = calls.message(signature.task, signature.args, signature.kwargs, signature.options)
        submission = submission_of(message, source="broker")
        check(submission)
        return submission
    workflow = layout.workflow_of(signature)
    for step in workflow.steps:
        check(step.submission)
    ids = [step.submission.message.message_id for step in workflow.steps]
    if len(set(ids)) < len(ids):
        raise JobsError("two of its tasks have the same id")
    if taken := _known(session, ids):
        raise JobsError(f"a task that follows it is a job already ({sorted(taken)[0]})")
    return workflow


def _hold(session: Session, message: CeleryMessage, call: Call, error: Exception) -> None:
    """Hold a call with its arguments, or the whole message if these cannot be stored."""
    kept = _message(call)
    if kept is None or held.is_keepable(kept):
        _keep_whole(session, message, error)
        return
    log.warning("celery_message_held", queue=message.queue, id=call.id, kind=type(error).__name__)
    has_more = call.callbacks or call.errbacks or call.chain or call.chord
    alone = "; released, its task runs alone, without the tasks that follow it" if has_more else ""
    held.hold_message(session, kept, f"this message of Celery cannot become a job: {error}{alone}")


def _keep_whole(session: Session, message: CeleryMessage, error: Exception) -> None:
    log.warning("celery_message_unreadable", queue=message.queue, id=id_of(message), kind=type(error).__name__)
    delivery = held.Unreadable(
        message.queue, message.body, str(error), message.redelivered, id=id_of(message), expected="a JSON message of Celery"
    )
    held.hold_unreadable(session, [delivery])


def _message(call: Call) -> Message[Any] | None:
    try:
        args, kwargs = values.encode(call.args), values.encode(call.kwargs)
    except RecursionError:
        return None
    return Message(queue_name=_queue_of(call.task), actor_name=call.task, args=tuple(args), kwargs=kwargs, options={}, message_id=call.id)


def _queue_of(task: str) -> str:
    """Return the queue of a task's actor; of an unknown task, the default one."""
    actor = dramatiq.get_broker().actors.get(task)
    return actor.queue_name if actor else routes.queue_name(registry.conf_of(task)["task_default_queue"])


def _known(session: Session, ids: Collection[str]) -> set[str]:
    return set(session.execute(select(Job.id).where(Job.id.in_(ids))).scalars()) if ids else set()
