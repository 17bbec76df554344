"""retry, cancel, run-now, release, discard, edit: actions on one job at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ...jobs.options.job_options import Place
from ...up.errors import UpError
from ..shared.actor_arguments import read_arguments
from ..shared.actor_command import OfJob
from ..shared.calls import find, sending, state_of, words
from ..shared.data_folder import data_option, join
from ..shared.option_flags import job_options


@click.command()
@click.argument("id")
@data_option
def retry(*, id: str, data: Path | None) -> None:
    """Queue a dead, cancelled or expired job again, or a retrying one now."""
    _act("retry", id, data)


@click.command()
@click.argument("id")
@data_option
def cancel(*, id: str, data: Path | None) -> None:
    """Cancel a waiting job, or request a running one to stop."""
    _act("cancel", id, data)


@click.command("run-now")
@click.argument("id")
@data_option
def run_now(*, id: str, data: Path | None) -> None:
    """Queue a scheduled or retrying job now instead of at its due time."""
    _act("run-now", id, data)


@click.command()
@click.argument("id")
@data_option
def release(*, id: str, data: Path | None) -> None:
    """Release a held job into its queue."""
    _act("release", id, data)


@click.command()
@click.argument("id")
@data_option
def discard(*, id: str, data: Path | None) -> None:
    """Discard a held job; its record is kept."""
    _act("discard", id, data)


@click.command()
@click.argument("id")
@data_option
def stack(*, id: str, data: Path | None) -> None:
    """Write the stack trace of a running job into its log; ./run job ID --log shows it."""
    _act("stack", id, data)


@click.command(cls=OfJob, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("id")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[--ARG VALUE | --ARG=VALUE]...")
@job_options(Place.EDIT)
@data_option
def edit(*, id: str, arguments: Sequence[str], data: Path | None, **asked: Any) -> None:
    """Edit a waiting job: only the given options change.

    An option after ID with the name of a parameter of the job's actor sets that parameter. Put this verb's own option
    before ID: ./run edit --priority 9 ID --priority 5
    """
    join(data)
    from ...actor_schema.signature import Signature
    from ...jobs import JobsError
    from ...jobs.control import edits
    from ...operations.arguments.fields import changing
    from ...operations.format import request_values
    from ...operations.jobs import actor_catalogue
    from ...operations.jobs.requests import job_request
    from ...operations.jobs.requests.job_bodies import EditBody
    from ...sql import database

    try:
        with sending(), database.write() as session:
            found = find(session, id)
            if arguments:
                signature = Signature.of(actor_catalogue.find(found.actor or ""))
                values = read_arguments(changing(signature, found.args, found.kwargs), arguments)
                args, kwargs = signature.arrange({**signature.by_name(found.args, found.kwargs), **values})
                asked |= {"args": args, "kwargs": kwargs}
            change = job_request.check_edit(found, request_values.read(EditBody, asked).change())
            moved = edits.edit(session, found.id, change)
        click.echo(f"{moved.id}  {moved.state.value}")
    except JobsError as error:
        raise UpError(words(error)) from None


def _act(action: str, id: str, data: Path | None) -> None:
    join(data, needs_actors=False)
    from ...jobs import JobsError
    from ...operations.jobs.requests import job_actions
    from ...sql import database

    try:
        with sending(), database.write() as session:
            moved = job_actions.act(session, find(session, id).id, action)
        click.echo(f"{moved.id}  {state_of(moved)}")
    except JobsError as error:
        raise UpError(words(error)) from None
