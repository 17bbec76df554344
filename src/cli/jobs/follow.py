"""job: show a job or its log at a terminal, and follow it until it has finished."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ... import COMMAND
from ...up.errors import UpError
from ..shared.calls import find
from ..shared.data_folder import data_option, join
from ..shared.progress_display import shown

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ...jobs.attempts.attempt_logs import Place
    from ...jobs.core.models import Job

#: poll interval of a followed job in seconds
LOOK = 0.2
#: exit codes of a followed job: not succeeded, not finished in time
UNSUCCESSFUL, NOT_OVER = 3, 4
#: exit code after Ctrl-C, as shells have it
INTERRUPTED = 130
#: log lines per query
LINES = 1_000


@click.command()
@click.argument("id")
@click.option("--log", "only_log", is_flag=True, help="Print only the log of its attempts.")
@click.option("-f", "follows", is_flag=True, help="With --log: follow until the job has finished; exit code 0 only if it succeeded.")
@click.option("--attempt", type=click.IntRange(1), help="With --log: only this attempt.")
@data_option
def job(*, id: str, only_log: bool, follows: bool, attempt: int | None, data: Path | None) -> None:
    """Print one job as JSON with its log. ID may be a unique prefix, or prefix…suffix as shown on pages."""
    join(data, needs_actors=False)
    if not only_log and (follows or attempt):
        raise UpError(f"Add --log: {COMMAND} job {id} --log{' -f' if follows else ''}{f' --attempt {attempt}' if attempt else ''}")
    if not only_log:
        click.echo(json.dumps(_with_log(id), indent=2, ensure_ascii=False))
    elif follows:
        with waiting_for(id):
            raise SystemExit(_follow_log(id, attempt))
    else:
        _print_log(id, attempt, None)


@contextmanager
def waiting_for(id: str) -> Iterator[None]:
    """On Ctrl-C in the block, say that the job goes on, and exit with the shell's code of an interrupt."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"No longer waiting; the job goes on: {COMMAND} job {id}", err=True)
        raise SystemExit(INTERRUPTED) from None


def follow(id: str, timeout: float) -> int:
    """Print each state and progress once until the job has finished; return the exit code."""
    from ...jobs import State

    deadline = time.monotonic() + timeout
    with waiting_for(id), shown() as show:
        while True:
            document = _document(id)
            show(document)
            is_over = State(document["state"]).is_final
            if is_over or time.monotonic() > deadline:
                break
            time.sleep(LOOK)
    if not is_over:
        click.echo(f"not finished within {timeout:g} s and still active: {COMMAND} job {id}", err=True)
        return NOT_OVER
    succeeded = document["state"] == State.SUCCEEDED
    if document["result_bytes"] is not None:
        document["result"] = _large_result(id)
    click.echo(json.dumps(document["result"] if succeeded else document["error"] or document["reason"], ensure_ascii=False))
    return 0 if succeeded else UNSUCCESSFUL


def _follow_log(id: str, attempt: int | None) -> int:
    from ...jobs import State
    from ...operations.format.terminal_text import visible

    place = None
    while True:
        document = _document(id)  # read before the lines: an attempt's lines are written no later than its end, so none is missed
        place = _print_log(id, attempt, place)
        if State(document["state"]).is_final:
            told = f": {document['error'] or document['reason']}" if document["state"] != State.SUCCEEDED else ""
            click.echo(document["state"] + visible(told), err=True)
            return 0 if document["state"] == State.SUCCEEDED else UNSUCCESSFUL
        time.sleep(LOOK)


def _print_log(id: str, attempt: int | None, place: Place | None) -> Place:
    """Print the lines after the cursor; return the new cursor."""
    from ...jobs.attempts import attempt_logs
    from ...jobs.attempts.attempt_logs import START, Place
    from ...operations.jobs.documents import log_documents
    from ...sql import database

    place = place or START
    while True:
        with database.read() as session:
            lines = attempt_logs.read(session, _look_up(session, id).seq, after=place, attempt=attempt, limit=LINES)
        for line in lines:
            click.echo(log_documents.plain(line))
            place = Place(line.attempt, line.number)
        if len(lines) < LINES:
            return place


def _with_log(id: str) -> dict[str, Any]:
    from ...jobs.attempts import attempt_logs
    from ...operations.jobs.documents import job_forecast, log_documents
    from ...sql import database

    document = _document(id)
    with database.read() as session:
        found = _look_up(session, id)
        lines = attempt_logs.tail(session, found.seq, limit=LINES)
        if not found.state.is_final:
            document["forecast"] = job_forecast.forecast(session, found)
    return document | {"log": [log_documents.document(line) for line in lines]}


def _document(id: str) -> dict[str, Any]:
    from ...operations.format import json_documents
    from ...operations.jobs.documents import job_documents
    from ...operations.jobs.documents.job_context import context_of
    from ...sql import database

    with database.read() as session:
        found = _look_up(session, id)
        document: dict[str, Any] = json_documents.finite(job_documents.whole(found, context_of(session, found)))
    return document


def _large_result(id: str) -> Any:
    from ...jobs.files.result_files import result_of
    from ...sql import database

    with database.read() as session:
        return result_of(_look_up(session, id))


def _look_up(session: Session, id: str) -> Job:
    from ...jobs import JobsError

    try:
        return find(session, id)
    except JobsError as error:
        raise UpError(str(error)) from None
