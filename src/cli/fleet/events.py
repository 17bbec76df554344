"""events: changes of the fleet at a terminal, or as JSON lines for a script."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..shared.data_folder import data_option, join
from ..shared.seconds import Seconds

if TYPE_CHECKING:
    from ...operations.fleet.fleet_events import FleetEvent

#: seconds between looks
LOOK_INTERVAL_S = 0.5


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, as in the stream of the API.")
@click.option("--type", "types", default="", help="Types, separated by commas, of which a star ends a prefix: job.*,alert.began")
@click.option("--actor", "actors", multiple=True, help="Only events of this actor; may be repeated.")
@click.option("--queue", "queues", multiple=True, help="Only events of this queue; may be repeated.")
@click.option("--since", type=Seconds(0, 86_400), default=0.0, help="Begin so many seconds ago.")
@click.option("--no-follow", is_flag=True, help="Print the events up to now, and end.")
@data_option
def events(
    *, as_json: bool, types: str, actors: tuple[str, ...], queues: tuple[str, ...], since: float, no_follow: bool, data: Path | None
) -> None:
    """Print what changes in the fleet: jobs, errors, workers, schedules, pauses and alerts. Ctrl-C ends it."""
    join(data, needs_actors=False)
    from ...jobs.core.errors import JobsError
    from ...operations.fleet.fleet_events import Cursor, EventFilter, Journal
    from ...sql import database
    from ...sql.clock import now

    try:
        filter = EventFilter.of(None, None, types=[each for each in types.split(",") if each], actors=actors, queues=queues)
    except JobsError as error:
        raise click.BadParameter(str(error), param_hint="--type") from None
    begin = now() - timedelta(seconds=since)
    with database.read() as session:
        journal = Journal(Cursor.present(session, since=begin))
    with suppress(KeyboardInterrupt):
        while True:
            with database.read() as session:
                found = journal.look(session)
            for event in found:
                if filter.takes(event) and event.at >= begin:
                    click.echo(json.dumps(event.document(), ensure_ascii=False) if as_json else _line(event))
            if no_follow:
                return
            time.sleep(LOOK_INTERVAL_S)  # poll interval; ends with Ctrl-C


def _line(event: FleetEvent) -> str:
    from ...operations.format.terminal_text import one_line

    words = [
        event.actor or event.queue or "",
        *(f"{name}={value}" for name, value in event.data.items() if value not in (None, "", [], {})),
    ]
    return f"{event.at.astimezone():%H:%M:%S} {event.type:<16} {one_line(' '.join(word for word in words if word))}".rstrip()
