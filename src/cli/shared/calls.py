"""Shared by verbs that act: the terminal's caller, a write session, error texts, and job lookup by short id."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ... import COMMAND
from ...operations.format.terminal_text import visible
from ...up.errors import UpError
from .data_folder import join
from .terminal_user import terminal_user

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ...jobs.core.models import Job
    from ...operations.people.caller import Caller


def operator() -> Caller:
    """The terminal user as a caller with role admin."""
    from ...operations.people.caller import Caller
    from ...operations.people.roles import Role

    name = terminal_user()
    return Caller(name, Role.ADMIN, f"command:{name}")


@contextmanager
def writing(data: Path | None, *, needs_actors: bool = False) -> Iterator[Any]:
    """Open a write session on the data folder's database with the actors loaded; converts errors of src.jobs to UpError."""
    join(data, needs_actors=needs_actors)
    from ...jobs import JobsError
    from ...sql import database

    try:
        with sending(), database.write() as session:
            yield session
    except JobsError as error:
        raise UpError(words(error)) from None


@contextmanager
def sending() -> Iterator[None]:
    """Send the messages of the block to RabbitMQ, or say why they wait: their jobs are stored, and a relay sends them."""
    from ... import actors
    from ...broker.publish import publisher

    logging.getLogger(publisher.__name__).setLevel(logging.ERROR)  # one sentence is enough
    yield
    actors.broker.close()
    mine = publisher.get_publisher()
    if mine.has_unsent and mine.lost_because:
        click.echo(visible(f"⚠ {mine.lost_because}. Jobs are stored, and are sent once RabbitMQ accepts them."), err=True)


def words(error: Exception) -> str:
    """The text of an error of src.jobs, with fields named like options."""
    errors = getattr(error, "located", None)
    return (
        "\n".join(f"--{name if '.' in name else name.replace('_', '-')}: {text}" for name, text in errors.items()) if errors else str(error)
    )


def find(session: Session, id: str) -> Job:
    """The job with an id or part of one; raises JobsError."""
    from ...jobs.core.errors import UnknownJob
    from ...jobs.read import queries

    found = queries.find(session, id)
    if found is None:
        raise UnknownJob(f"There is no job {id}. {COMMAND} jobs lists the newest with their full ids.", field="id")
    return found


def state_of(job: Job) -> str:
    """The job's state; `cancelling` while a cancel is pending."""
    return "cancelling" if job.is_cancelling else job.state.value
