"""celery worker, celery beat: the processes, in the foreground as Celery runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import click

from ...settings import get_settings
from ...up.locations import PACKAGE
from ...up.parts import launch
from .options import without_counterpart
from .running import run, say

_LEVELS = {"FATAL": "CRITICAL"}


@click.command()
@click.option("--queues", "-Q", help="Only these queues, comma separated.")
@click.option("--exclude-queues", "-X", help="All queues but these.")
@click.option("--concurrency", "-c", type=click.IntRange(1, 256), help="Threads.")
@click.option("--pool", "-P", help="solo: one thread. Others have no effect: workers run threads, and child processes for time limits.")
@click.option("--beat", "-B", is_flag=True, help="Run a scheduler beside it.")
@click.option("--include", "-I", help="Further modules, comma separated.")
@click.option("--loglevel", "-l", help="Lowest level that is logged.")
@without_counterpart("worker")
def worker(
    *, queues: str | None, exclude_queues: str | None, concurrency: int | None, pool: str | None, beat: bool, include: str | None, loglevel: str | None
) -> None:  # fmt: skip
    """Run jobs."""
    _set_level(loglevel)
    if include:
        modules = [*get_settings().actor_modules, *include.split(",")]
        os.environ["CALLBOARD_ACTORS"] = ",".join(dict.fromkeys(modules))
        get_settings.cache_clear()
    if pool == "solo":
        concurrency = concurrency or 1
    elif pool:
        click.echo("· --pool has no effect: workers run threads, and child processes for time limits", err=True)
    chosen = _all_but(exclude_queues.split(","), queues) if exclude_queues else queues or ""
    if (missed := unread(chosen)) is not None:
        click.echo(missed, err=True)
    words = ["worker", *(["--threads", str(concurrency)] if concurrency else []), *(["--queues", chosen] if chosen else [])]
    if beat:
        raise SystemExit(_beside(words, ["scheduler"]))
    run(*words)


@click.command()
@click.option("--loglevel", "-l", help="Lowest level that is logged.")
@without_counterpart("beat")
def beat(*, loglevel: str | None) -> None:
    """Fire the ticks of schedules. Any number of schedulers may run."""
    _set_level(loglevel)
    run("scheduler")


def _set_level(level: str | None) -> None:
    if level:
        os.environ["CALLBOARD_LOG_LEVEL"] = _LEVELS.get(level.upper(), level.upper())
        get_settings.cache_clear()


def unread(queues: str) -> str | None:
    """Return a warning if the queues have Celery's default, which is another one here, and not ours: tasks would wait."""
    chosen = queues.split(",")
    if "celery" not in chosen or "default" in chosen:
        return None
    return "· tasks without a route use the queue default here, not celery, unless task_default_queue names it: add default to --queues"


def _all_but(excluded: list[str], queues: str | None) -> str:
    from ...operations.jobs import actor_catalogue

    known = queues.split(",") if queues else actor_catalogue.queues()
    return ",".join(queue for queue in known if queue not in excluded)


def _beside(*verbs: list[str]) -> int:
    """Run these verbs side by side until one ends, then end the others; return its exit code."""
    started = []
    for words in verbs:
        say(*words)
        started.append(
            subprocess.Popen([sys.executable, "-m", PACKAGE, *words], start_new_session=True, preexec_fn=launch.with_supervisor())
        )

    def stop(number: int = signal.SIGTERM, _frame: Any = None) -> None:
        for process in started:
            process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    _, status = os.wait()
    stop()
    for process in started:
        process.wait()
    return os.waitstatus_to_exitcode(status) & 0xFF
