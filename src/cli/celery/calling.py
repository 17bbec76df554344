"""celery call, celery result, celery purge: jobs by task."""

from __future__ import annotations

import math

import click

from ...operations.format.terminal_text import visible
from ...up.errors import UpError
from ..jobs.follow import waiting_for
from ..shared.seconds import Seconds
from .options import without_counterpart
from .running import run, say


@click.command()
@click.argument("task")
@click.option("--args", "-a", "args", help="Positional arguments as a JSON list.")
@click.option("--kwargs", "-k", "kwargs", help="Keyword arguments as a JSON object.")
@click.option("--countdown", type=Seconds(), help="Seconds until it may start.")
@click.option("--eta", help="ISO time before which it does not start; without a zone, that of the configuration.")
@click.option("--expires", help="Seconds, or an ISO time, after which it does not start.")
@click.option("--queue", help="Its queue, instead of the task's own.")
@without_counterpart("call")
def call(
    *, task: str, args: str | None, kwargs: str | None, countdown: float | None, eta: str | None, expires: str | None, queue: str | None
) -> None:  # fmt: skip
    """Submit a job of TASK and print its id."""
    words = ["submit"]
    for name, value in (
        ("--args", args),
        ("--kwargs", kwargs),
        ("--delay", None if countdown is None else _digits(countdown)),
        ("--eta", eta and _instant(eta)),
        ("--expires", expires and _seconds_or_instant(expires)),
        ("--queue", queue),
    ):
        words += [name, value] if value else []
    run(*words, task)


@click.command()
@click.argument("id")
@click.option("--traceback", is_flag=True, help="Print the traceback of its failure instead.")
@without_counterpart("result")
def result(*, id: str, traceback: bool) -> None:
    """Wait for the end of the job ID and print its result; exit code 1 if it has failed."""
    say("job", id)
    from ...celery import AsyncResult
    from ...jobs import JobsError
    from ...sql import database
    from ..shared.calls import find

    try:
        with database.read() as session:
            found = find(session, id).id
    except JobsError as error:
        raise UpError(str(error)) from None
    job = AsyncResult(found)
    if traceback:
        click.echo(visible(job.traceback or ""))
        return
    try:
        with waiting_for(found):
            value = job.get()
    except Exception as error:  # noqa: BLE001 - the task may have raised anything
        raise UpError(f"{type(error).__name__}: {error}".removesuffix(": ")) from None
    click.echo(visible(str(value)))


@click.command()
@click.option("--force", "-f", is_flag=True, help="Skip the confirmation.")
@click.option("--queues", "-Q", help="Only these queues, comma separated; default: those of the tasks.")
@click.option("--exclude-queues", "-X", help="All of these queues but those.")
def purge(*, force: bool, queues: str | None, exclude_queues: str | None) -> None:
    """Cancel all waiting jobs of queues, also those that start later."""
    from ...celery.app import purging

    excluded = (exclude_queues or "").split(",")
    chosen = [queue for queue in (queues.split(",") if queues else purging.queues_of_tasks()) if queue not in excluded]
    if not chosen:
        raise UpError("No queue is left to purge.")
    if not force:
        click.confirm(f"Cancel all waiting jobs of {', '.join(chosen)}?", abort=True, err=True)
    from ...operations.jobs.requests import queue_purge

    run("bulk", "cancel", queue_purge.query(*chosen), "--yes")


def _instant(text: str) -> str:
    """An ISO time with its zone: without one, that of the configuration."""
    from ...celery.core import messages, registry

    try:
        return messages.aware(registry.app().conf, "eta", text).isoformat()
    except ValueError:
        raise UpError(f"{text!r} is not an ISO time, such as 2030-12-31T18:00:00Z.") from None


def _seconds_or_instant(text: str) -> str:
    try:
        seconds = float(text)
    except ValueError:
        return _instant(text)
    return _digits(seconds) if math.isfinite(seconds) else _instant(text)


def _digits(seconds: float) -> str:
    """A number as submit reads it: to the microsecond, without an exponent."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")
