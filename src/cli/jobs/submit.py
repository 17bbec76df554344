"""submit, jobs: submit a job, and list jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ... import COMMAND
from ...jobs.options.job_options import Place
from ...up.errors import UpError
from ..shared.actor_arguments import arguments_of, call_of
from ..shared.actor_command import OfActor, actors_like, values_like
from ..shared.calls import operator, sending, state_of, words
from ..shared.data_folder import data_option, join
from ..shared.option_flags import job_options
from ..shared.seconds import Seconds
from .follow import follow

#: maximum seconds of a search
PATIENCE_S = 10.0


@click.command(cls=OfActor, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("actor", shell_complete=actors_like)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[--ARG VALUE]...", shell_complete=values_like)
@click.option("--args", "by_position", metavar="JSON", help="Positional arguments as a JSON list.")
@click.option("--kwargs", "by_name", metavar="JSON", help="Keyword arguments as a JSON object.")
@click.option("--wait", "waits", is_flag=True, help="Wait until the job has finished; exit code 0 only if it succeeded.")
@click.option("--timeout", type=Seconds(min=0), default=600.0, show_default=True, help="Timeout of --wait in seconds.")
@click.option("--queue", help="Override the actor's queue.")
@job_options(Place.COMMAND)
@data_option
def submit(
    *, actor: str, arguments: Sequence[str], by_position: str | None, by_name: str | None, waits: bool, timeout: float, data: Path | None, **asked: Any
) -> None:  # fmt: skip
    """Submit a job of ACTOR and print its id. ./run submit ACTOR --help describes the actor's arguments.

    An option after ACTOR with the name of one of its parameters sets that parameter. Put this verb's own option
    before ACTOR: ./run submit --timeout 60 ACTOR --timeout 5
    """
    join(data)
    from ...jobs import JobsError, submit_many
    from ...jobs.core.errors import InvalidArguments
    from ...operations.jobs.requests import job_request
    from ...operations.jobs.requests.job_bodies import read_job
    from ...sql import database

    try:
        known = arguments_of(actor)
        args, kwargs = call_of(known, arguments, by_position, by_name)
        wanted = read_job({"actor": actor, "args": args, "kwargs": kwargs, **asked}).request()
        submission = job_request.check(wanted, by=operator(), source="api")
        with sending():
            with database.write() as session:
                [receipt] = submit_many(session, [replace(submission, source="command")])
            click.echo(receipt.id)
            if receipt.reason is not None:
                click.echo(f"No new job: {receipt.reason}.", err=True)
    except InvalidArguments as error:
        raise UpError(f"{words(error)}\n{COMMAND} submit {actor} --help describes each argument.") from None
    except (JobsError, ValueError) as error:
        raise UpError(words(error)) from None
    if waits:
        raise SystemExit(follow(receipt.id, timeout))


@click.command()
@click.argument("query", required=False, default="")
@click.option("-n", "limit", type=click.IntRange(1, 200), default=20, show_default=True, help="Number of jobs, newest first.")
@data_option
def jobs(*, query: str, limit: int, data: Path | None) -> None:
    """List jobs; QUERY as in the console: state:dead actor:NAME created:today "text in arguments"."""
    join(data, needs_actors=False)
    from ... import actors
    from ...jobs import JobsError, search
    from ...jobs.search import QueryError
    from ...operations.format.terminal_text import visible
    from ...sql import database

    del actors  # loading them makes parameter names and secrets known
    try:
        with database.read() as session:
            page = search.find(session, search.parse(query), limit=limit, budget_s=PATIENCE_S)
    except QueryError as error:
        raise UpError(f"{error}\n{error.pointer}") from None
    except JobsError as error:
        raise UpError(words(error)) from None
    for one in page.jobs:
        told = f"{one.id}  {state_of(one):<10} {one.actor or '?':<32} {one.created_at:%Y-%m-%d %H:%M:%S}Z  {one.reason or ''}"
        click.echo(visible(told.rstrip().replace("\n", " ")))
    if page.searched_to is not None:
        click.echo(f"… search timed out after {PATIENCE_S:g} s before it reached older jobs: narrow the query, e.g. created:24h", err=True)
    elif page.next is not None:
        click.echo(f"… older jobs: {COMMAND} jobs -n {min(limit * 5, 200)}", err=True)
