"""token create: create an API token."""

from __future__ import annotations

from pathlib import Path

import click

from ...up.errors import UpError
from ..groups import Suggesting
from ..shared.data_folder import data_option, join


@click.group(cls=Suggesting)
def token() -> None:
    """API tokens."""


@token.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "submitter", "operator", "admin"]), required=True)
@click.option("--actors", default="", help="Limit to these actors, e.g. add,reports_*; default: all.")
@click.option("--expires", help="Expiry: a duration such as 90d, or a time; default: never.")
@data_option
def token_create(*, name: str, role: str, actors: str, expires: str | None, data: Path | None) -> None:
    """Create an API token and print it once."""
    join(data, needs_actors=False)
    from ...jobs import JobsError
    from ...operations.format.request_values import ahead
    from ...operations.people.permissions import read_patterns, unmatched
    from ...operations.people.tokens import create_token

    try:
        patterns = read_patterns(actors)
        click.echo(create_token(name, role, actors=patterns, expires_at=ahead("expires", expires)))
    except (ValueError, JobsError) as error:
        raise UpError(str(error)) from None
    for each in unmatched(patterns):
        star = "" if each.endswith("*") else f" A prefix ends with a star: {each}*"
        click.echo(f"⚠ --actors: no actor matches {each} yet.{star}", err=True)
