"""Sending: a message or a workflow becomes rows, between the signals of its publication."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dramatiq
from dramatiq import Message
from sqlalchemy.orm import Session

from ...jobs.attempts.current_job import current_job
from ...jobs.workflows.canvas import Workflow
from ...sql.database import write
from ...sql.outages import is_outage
from ..exceptions import OperationalError
from ..signals import after_task_publish, before_task_publish
from .request import OPTION


def send(message: Message[Any]) -> None:
    """Submit one job. Raises OperationalError if the database is away."""
    with _published([message]):
        dramatiq.get_broker().enqueue(message)


def send_all(workflow: Workflow) -> str:
    """Submit a workflow in one transaction, or in that of the transactional actor that sends it; return its id."""
    with published(workflow), session() as own:
        return workflow.submit(own).id


@contextmanager
def published(workflow: Workflow) -> Iterator[None]:
    """Send the signals of publication around the submission of a workflow's steps."""
    with _published([step.submission.message for step in workflow.steps]):
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
def _published(messages: list[Message[Any]]) -> Iterator[None]:
    for message in messages:
        before_task_publish.send(message.actor_name, **_description(message), declare=[], retry_policy={}, properties={})
    try:
        yield
    except Exception as error:
        if is_outage(error):
            raise OperationalError(f"the job was not stored, the database is away: {error}") from error
        raise
    for message in messages:
        after_task_publish.send(message.actor_name, **_description(message))


def _description(message: Message[Any]) -> dict[str, Any]:
    about = message.options.get(OPTION) or {}
    headers = {
        "id": message.message_id,
        "task": message.actor_name,
        "lang": "py",
        "argsrepr": repr(message.args),
        "kwargsrepr": repr(message.kwargs),
        "stamped_headers": about.get("stamped_headers"),
        "stamps": about.get("stamps", {}),
    }
    return {"body": (message.args, message.kwargs, {}), "exchange": "", "routing_key": message.queue_name, "headers": headers}
