"""token create: make an API token."""

from __future__ import annotations

from pathlib import Path

import click

from src.cli.folders import data_option, join
from src.up.errors import UpError


@click.group()
def token() -> None:
    """API tokens."""


@token.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "submitter", "operator", "admin"]), required=True)
@click.option("--actors", default="", help="The only actors it may use, e.g. add,reports_*; default: all.")
@click.option("--expires", help="When it ends to work: 90d from now, or an instant; default: when it is revoked.")
@data_option
def token_create(*, name: str, role: str, actors: str, expires: str | None, data: Path | None) -> None:
    """Make a token for programs and print it, this one time."""
    join(data)
    from src.jobs import JobsError
    from src.web.auth.permissions import read_patterns
    from src.web.auth.tokens import create_token
    from src.web.request_values import ahead

    try:
        click.echo(create_token(name, role, actors=read_patterns(actors), expires_at=ahead("expires", expires)))
    except (ValueError, JobsError) as error:
        raise UpError(str(error)) from None
