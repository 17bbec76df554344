"""alerts: what is wrong with the fleet, at a terminal."""

from __future__ import annotations

from pathlib import Path

import click

from src.cli.controls import writing
from src.cli.folders import data_option

#: exit code while something is wrong
WRONG = 3


@click.command()
@data_option
def alerts(*, data: Path | None) -> None:
    """List what is wrong with the fleet, and what has recovered lately. Exit code 3 while anything is wrong."""
    with writing(data) as session:
        from src.jobs import alerts as room

        current, over, looked_at = room.current(session), room.recovered(session), room.looked_at(session)
    for each in current:
        click.echo(f"{each.kind}  since {each.seen_at:%Y-%m-%d %H:%M:%S}Z  {each.text}")
    for each in over:
        click.echo(f"recovered {each.recovered_at:%Y-%m-%d %H:%M:%S}Z  {each.text}")
    if looked_at is None:
        click.echo("No scheduler has looked yet: is one running?", err=True)
    if current:
        raise SystemExit(WRONG)
