"""forecast: when a queue's backlog is drained, now and after a change, at a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...formats.quantities import counted, number, rate, span
from ...up.errors import UpError
from ..shared.data_folder import data_option, join

if TYPE_CHECKING:
    from ...jobs.forecasts.clearing import Clearing


@click.command()
@click.argument("queue")
@click.option("--actor", help="Limits and backlog of this actor only.")
@click.option("--workers", help="Worker processes that consume the queue.")
@click.option("--threads", help="Their threads; instead of --workers.")
@click.option("--rate", help="Rate limit: 10/s; none: no limit.")
@click.option("--concurrency", help="Running jobs at once; none: no limit.")
@click.option("--pause", help="Duration: 10m; none: not paused.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@data_option
def forecast(*, queue: str, as_json: bool, data: Path | None, **change: str | None) -> None:
    """Forecast when the backlog of QUEUE is drained, now and after a change. Changes nothing."""
    join(data, needs_actors=False)
    from ... import actors
    from ...jobs import JobsError
    from ...operations.fleet import what_if_request
    from ...sql import database

    try:
        wanted = what_if_request.read_change(change)
    except JobsError as error:
        raise click.BadParameter(str(error), param_hint=f"--{error.field}") from None
    try:
        with database.read() as session:
            found = what_if_request.forecast(session, queue, wanted)
    except JobsError as error:
        raise UpError(str(error)) from None
    actors.broker.close()
    if as_json:
        click.echo(json.dumps(what_if_request.document(queue, wanted, found), indent=2))
        return
    least = " or more" if found.is_partial else ""
    click.echo(
        f"{number(found.present.waiting, separator=',')}{least} waiting, arrival rate {rate(found.arriving_per_s).replace('/', ' jobs/')}, {counted(found.threads, 'thread', separator=',')}"
    )
    click.echo(f"now     {_drained(found.present)}")
    if found.changed is not None:
        click.echo(f"change  {_drained(found.changed)}")


def _drained(clearing: Clearing) -> str:
    if clearing.p50 is None or clearing.p90 is None:
        return f"never drained: {clearing.reason}"
    if not clearing.waiting:
        return "no backlog"
    return f"drained in {span(clearing.p50)} (90 %: within {span(clearing.p90)}); bottleneck: {clearing.bottleneck}"
