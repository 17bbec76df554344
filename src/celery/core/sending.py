"""Sending: a message or a workflow becomes rows, between the signals of its publication."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import dramatiq
from dramatiq import Message
from sqlalchemy.orm import Session

from ...jobs.attempts.current_job import current_job
from ...jobs.submit.requests import Submission, submission_of
from ...jobs.workflows.canvas import Workflow
from ...sql.database import write
from ...sql.outages import is_outage
from ..exceptions import OperationalError
from .publication import Publication


def send(message: Message[Any]) -> None:
    """Submit one job. Raises OperationalError if the database is away."""
    asked = submission_of(message)
    with _published([Publication(asked)]) as [publication]:
        dramatiq.get_broker().enqueue(message if publication.submission is asked else _message_of(publication.submission))


def send_all(workflow: Workflow) -> str:
    """Submit a workflow in one transaction, or in that of the transactional actor that sends it; return its id."""
    with published(workflow), session() as own:
        return workflow.submit(own).id


@contextmanager
def published(workflow: Workflow) -> Iterator[None]:
    """Send the signals of publication around the submission of a workflow's steps; receivers may change them."""
    publications = [Publication(step.submission, step.delay) for step in workflow.steps]
    for number, (step, each) in enumerate(zip(workflow.steps, publications, strict=True)):
        delay = step.delay if each.submission.due_at == step.submission.due_at else None
        workflow.steps[number] = replace(step, submission=each.submission, delay=delay)
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
