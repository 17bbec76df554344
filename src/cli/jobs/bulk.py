"""bulk: bulk action on all jobs of a query, at a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ...up.errors import UpError
from ..shared.calls import operator, sending, words
from ..shared.data_folder import data_option, join
from ..shared.seconds import Seconds
from .follow import follow


@click.command()
@click.argument("verb", type=click.Choice(["retry", "re-run", "release", "cancel", "discard"]))
@click.argument("query")
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
@click.option("--count", type=click.IntRange(0), help="Expected number of jobs; if it differs, do nothing and exit with code 1.")
@click.option("--dry-run", is_flag=True, help="Print the number of matching jobs and do nothing.")
@click.option("--wait", "waits", is_flag=True, help="Wait until it has finished; exit code 0 only if it succeeded.")
@click.option("--timeout", type=Seconds(min=0), default=3600.0, show_default=True, help="Timeout of --wait in seconds.")
@data_option
def bulk(*, verb: str, query: str, yes: bool, count: int | None, dry_run: bool, waits: bool, timeout: float, data: Path | None) -> None:
    """Apply VERB to all jobs of QUERY as a background job and print its id; ./run cancel ID stops it.

    QUERY as in the console: 'state:dead actor:add created:today'; '' for all jobs.
    """
    join(data, needs_actors=False)
    from ...jobs import JobsError, search
    from ...jobs.search import QueryError
    from ...operations.jobs.requests import bulk_request
    from ...sql import database

    try:
        asked = search.parse(query)
        with database.read() as session:
            found = bulk_request.select(session, bulk_request.read_verb(verb), asked)
        states = ", ".join(f"{number} {state}" for state, number in found.taken.items())
        click.echo(f"{verb} {asked.in_words()}: {found.total}{f' ({states})' if states else ''}", err=True)
        if count is not None:
            bulk_request.check_count(found, count)
        if dry_run or not found.total:
            return
        if not yes and count is None:
            _confirm(verb, found.total)
        with sending(), database.write() as session:
            receipt = bulk_request.start(
                session, found.verb, asked, up_to=found.up_to, asked_at=found.asked_at, count=found.total, by=operator(), source="command"
            )
    except QueryError as error:
        raise UpError(f"{error}\n{error.pointer}") from None
    except JobsError as error:
        raise UpError(words(error)) from None
    click.echo(receipt.id)
    if waits:
        raise SystemExit(follow(receipt.id, timeout))


def _confirm(verb: str, total: int) -> None:
    """Ask for the number of jobs; without a terminal, require --count or --yes."""
    if not sys.stdin.isatty():
        raise UpError(f"Nothing done. Confirm with --count {total} or --yes.")
    if click.prompt(f"Type {total} to {verb} them", err=True, default="", show_default=False) != str(total):
        raise UpError("Nothing done: the number does not match.")
