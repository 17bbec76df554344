"""top: a live view of queues, jobs and workers at a terminal."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...formats.quantities import counted, span
from ..shared.data_folder import data_option, join
from ..shared.seconds import Seconds

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

#: window of the finished jobs
WINDOW = timedelta(minutes=1)
#: maximum running jobs and actors shown
ROWS = 12


@click.command()
@click.option("--once", is_flag=True, help="Print one frame and exit, as in a pipe.")
@click.option("--every", type=Seconds(0.2, 60), default=1.0, show_default=True, help="Refresh interval in seconds.")
@data_option
def top(*, once: bool, every: float, data: Path | None) -> None:
    """Watch queues, running and finished jobs, and workers; Ctrl-C quits."""
    join(data, needs_actors=False)
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    if once or not console.is_terminal or console.is_dumb_terminal:  # a pipe or a file would be filled without end
        console.print(_frame())
        return
    with Live(_frame(), screen=True, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(every)
                live.update(_frame(), refresh=True)
        except KeyboardInterrupt:
            return


def _frame() -> Group:
    from rich.console import Group
    from rich.text import Text
    from sqlalchemy.exc import SQLAlchemyError

    from ...jobs import State
    from ...jobs.leases import workers
    from ...jobs.read import queries, statistics
    from ...sql import clock, database

    present = clock.now()
    try:
        with database.read() as session:
            queues, alive = queries.queues(session), workers.fleet(session)
            ended = statistics.by_actor(session, present - WINDOW, present)
            running = queries.page(session, states=[State.RUNNING], limit=ROWS).jobs
    except SQLAlchemyError as error:
        return Group(Text(f"The database cannot be reached: {str(getattr(error, 'orig', error))[:200]}"))
    waiting = _table("Queue", "Queued", "Running", "Oldest")
    for queue in queues:
        oldest = "" if queue.oldest_queued_at is None else span(present - queue.oldest_queued_at)
        waiting.add_row(queue.queue, str(queue.queued), str(queue.running), oldest)
    jobs = _table("Running", "Id", "Attempt", "For", "Progress")
    for job in running:
        done = "" if job.progress_done is None else f"{job.progress_done}{f'/{job.progress_total}' if job.progress_total else ''}"
        jobs.add_row(job.actor or "?", job.id[-12:], str(job.attempt), span(present - (job.started_at or present)), done)
    ends = _table("Finished in the last minute", "Succeeded", "Dead", "Other")
    for actor, states in sorted(ended.items(), key=lambda each: -sum(each[1].values()))[:ROWS]:
        succeeded, dead = states.get(State.SUCCEEDED, 0), states.get(State.DEAD, 0)
        ends.add_row(actor, str(succeeded), str(dead), str(sum(states.values()) - succeeded - dead))
    fleet = _table("Worker", "Busy", "Threads", "Uptime", "Version")
    for worker in alive:
        fleet.add_row(worker.name, str(worker.busy), str(worker.threads), span(present - worker.started_at), worker.version)
    total = sum(sum(states.values()) for states in ended.values())
    head = (
        f"Callboard  {present:%H:%M:%S}Z   {sum(each.queued for each in queues)} queued   {sum(each.running for each in queues)} running   "
        f"{total / WINDOW.total_seconds():.1f} jobs/s finished   {counted(len(alive), 'worker')}"
    )
    return Group(Text(head, style="bold"), *(table if table.row_count else _nothing(table) for table in (waiting, jobs, ends, fleet)))


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column(title, ratio=3, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", ratio=1, no_wrap=True)
    return table


def _nothing(table: Table) -> Table:
    table.add_row("—")
    return table
