"""Sending: a message or a workflow becomes rows, between the signals of its publication."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import dramatiq
from dramatiq import Message
from sqlalchemy.orm import Session

from ...jobs.attempts.current_job import current_job
from ...jobs.core.errors import IdempotencyConflict
from ...jobs.read.queries import find_many
from ...jobs.submit.requests import Submission, submission_of
from ...jobs.submit.submission import submit
from ...jobs.workflows.canvas import Workflow
from ...sql.database import write
from ...sql.outages import is_outage
from ..base.differences import DIFFERENCES, TAKEN_ID, Unsupported
from ..exceptions import OperationalError
from .publication import Publication


def send(message: Message[Any], *, has_own_id: bool = False) -> None:
    """Submit one job; if its unique key has one, the message gets that job's id. `has_own_id`: the caller chose its id.

    Raises OperationalError if the database is away, Unsupported for an id that is taken.
    """
    asked = submission_of(message)
    with _published([Publication(asked)]) as [publication]:
        sent = message if publication.submission is asked else _message_of(publication.submission)
        if has_own_id:
            _submit_with_own_id(sent)
        else:
            dramatiq.get_broker().enqueue(sent)
        _set_id(message, sent.message_id)


def send_all(workflow: Workflow, own_ids: Sequence[str] = ()) -> str:
    """Submit a workflow in one transaction, or in that of the transactional actor that sends it; return its id.

    `own_ids`: those that the caller chose. Raises Unsupported if one is taken.
    """
    with published(workflow), session() as own:
        _require_free(own, own_ids)
        return workflow.submit(own).id


def _submit_with_own_id(message: Message[Any]) -> None:
    """Submit as the broker does; an id that has a row, also one from a call at the same time, is refused instead of ignored."""
    broker = dramatiq.get_broker()
    broker.emit_before("enqueue", message, None)
    running = current_job.job
    with session() as own:
        if running is not None and running.id == message.message_id:
            _require_free(own, [message.message_id])  # submit() would give it another id, which its caller does not know
        try:
            receipt = submit(own, message)
        except IdempotencyConflict:
            _require_free(own, [message.message_id])
            raise
        if not receipt.created:
            _require_free(own, [message.message_id])
            _set_id(message, receipt.id)
    broker.emit_after("enqueue", message, None)


def _set_id(message: Message[Any], id: str) -> None:
    object.__setattr__(message, "message_id", id)  # in place, as the broker does: the caller makes the result of this message


def _require_free(session: Session, ids: Sequence[str]) -> None:
    """Raise Unsupported naming the first of these ids that has a job, or that occurs twice."""
    jobs = {job.id: f"a job of {job.actor} has it and is {job.state}" for job in find_many(session, ids)} if ids else {}
    row = DIFFERENCES[TAKEN_ID]
    for number, id in enumerate(ids):
        if id in jobs or id in ids[:number]:
            raise Unsupported(f"apply_async(task_id={id!r}): {jobs.get(id, 'two tasks have it')}; {row.text}. Instead: {row.cure}.")


@contextmanager
def published(workflow: Workflow) -> Iterator[None]:
    """Send the signals of publication around the submission of a workflow's steps; receivers may change them."""
    publications = [Publication(step.submission, step.delay) for step in workflow.steps]
    for number, (step, each) in enumerate(zip(workflow.steps, publications, strict=True)):
        workflow.steps[number] = replace(step, submission=each.submission, delay=each.delay)
    with _published(publications):
        yield


@contextmanager
def session() -> Iterator[Session]:
    """Open a transaction, or use that of the transactional actor that runs."""
    running = current_job.job
    if running is not None and running.is_transactional:
        yield running.session
        return
    with write() as own:
        yield own


@contextmanager
def _published(publications: list[Publication]) -> Iterator[list[Publication]]:
    try:
        yield publications
    except Exception as error:
        if is_outage(error):
            raise OperationalError(f"the job was not stored, the database is away: {error}") from error
        raise
    for publication in publications:
        publication.sent()


def _message_of(submission: Submission) -> Message[Any]:
    """Return a message with the options that a receiver may have changed, as submission_of() reads them."""
    options = {"eta": submission.due_at, "expires": submission.expires_at, "priority": submission.priority}
    given = {name: value for name, value in options.items() if value is not None}
    return replace(submission.message, options={**submission.message.options, **given})
