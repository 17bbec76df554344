"""Shared by verbs that act: the caller at the terminal, a write session, errors in words, and the job that an id means."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...up.errors import UpError
from .data_folder import join

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ...jobs.core.models import Job
    from ...operations.people.caller import Caller


def operator() -> Caller:
    """The operator at this terminal, as a caller with the role admin."""
    from ...operations.people.caller import Caller
    from ...operations.people.roles import Role

    name = getpass.getuser()
    return Caller(name, Role.ADMIN, f"command:{name}")


@contextmanager
def writing(data: Path | None) -> Iterator[Any]:
    """A write session on the database of the data folder, with the actors loaded; errors of src.jobs become UpError."""
    join(data)
    from ... import actors
    from ...jobs import JobsError
    from ...sql import database

    try:
        with database.write() as session:
            yield session
    except JobsError as error:
        raise UpError(words(error)) from None
    actors.broker.close()


def words(error: Exception) -> str:
    """The text of an error of src.jobs, its fields named as options."""
    errors = getattr(error, "errors", None)
    return "\n".join(f"--{name}: {text}" for name, text in errors.items()) if errors else str(error)


def find(session: Session, id: str) -> Job:
    """The job of an id or of a part of one; raises JobsError."""
    from ...jobs.core.errors import UnknownJob
    from ...jobs.read import queries

    found = queries.find(session, id)
    if found is None:
        raise UnknownJob(f"There is no job {id}. ./run jobs lists the newest with their full ids.", field="id")
    return found


def state_of(job: Job) -> str:
    """The job's state in one word; cancelling while its end is not yet certain."""
    return "cancelling" if job.is_cancelling else job.state.value
