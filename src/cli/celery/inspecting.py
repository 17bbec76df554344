"""celery inspect, celery status: workers and jobs, printed as Celery does."""

from __future__ import annotations

import json
from typing import Any

import click

from ...formats.quantities import counted
from ...operations.format.terminal_text import visible
from ...up.errors import UpError
from .commands_table import COMMANDS, Effect
from .options import refuse, without_counterpart
from .running import run, say
from .workers import destination_option, require

#: actions whose answer is that of each worker
OF_WORKERS = frozenset({"ping", "registered", "active_queues", "stats", "active"})
#: action -> the verb that shows the same
_SHOWN = {
    "active": ("jobs", "state:running"),
    "reserved": ("jobs", "state:queued"),
    "scheduled": ("jobs", "state:scheduled,retrying"),
    "revoked": ("jobs", "state:cancelled"),
}


@click.command()
@click.argument("action")
@click.argument("words", nargs=-1)
@click.option("--json", "-j", "as_json", is_flag=True, help="Print JSON.")
@destination_option
@without_counterpart("inspect")
def inspect(*, action: str, words: tuple[str, ...], as_json: bool, destination: tuple[str, ...]) -> None:
    """Show ACTION: ping, active, reserved, scheduled, registered, active_queues, stats, revoked, query_task, conf, report.

    Exit code 69 if no worker lives. Jobs that wait belong to no worker: they are listed under `callboard`.
    """
    row = COMMANDS.get(f"inspect {action}")
    if row is None:
        known = [name.removeprefix("inspect ") for name in COMMANDS if name.startswith("inspect ")]
        raise UpError(f"celery inspect has no action {action!r}. Choose one of: {', '.join(known)}.")
    if row.effect is Effect.REFUSED:
        raise refuse(f"inspect {action}")
    if words and action != "query_task":
        raise UpError(f"celery inspect {action} takes no further words, not {' '.join(words)!r}.")
    if action in ("conf", "report"):
        run("config")
        return
    if destination and action not in OF_WORKERS:
        click.echo("· --destination has no effect: jobs that wait or have ended belong to no worker", err=True)
    _print(_replies(action, words, destination), as_json, is_by_worker=action in OF_WORKERS)


@click.command()
@click.option("--json", "-j", "as_json", is_flag=True, help="Print JSON.")
@destination_option
@without_counterpart("status")
def status(*, as_json: bool, destination: tuple[str, ...]) -> None:
    """List the workers that live; exit code 69 if none does."""
    replies = _replies("ping", (), destination)
    if as_json:
        _print(replies, as_json, is_by_worker=True)
        return
    require(replies)
    for node in replies:
        click.echo(f"{node}: OK")
    click.echo(_online(len(replies)))


def _replies(action: str, words: tuple[str, ...], destination: tuple[str, ...]) -> dict[str, Any]:
    say(*_SHOWN.get(action, ("job", *words) if action == "query_task" else ("workers",)))
    from ... import actors
    from ...celery.app import inspections
    from ...jobs.leases import workers
    from ...sql import database

    del actors  # loading them makes secrets known, so that they are masked
    with database.read() as session:
        if action == "query_task":
            return {inspections.WAITING: inspections.query_task(session, words)}
        if action in inspections.OF_WAITING:
            return {inspections.WAITING: inspections.OF_WAITING[action](session)}
        return {
            worker.name: inspections.OF_WORKERS[action](session, worker)
            for worker in inspections.chosen(workers.fleet(session), destination)
        }


def _print(replies: dict[str, Any], as_json: bool, *, is_by_worker: bool) -> None:
    if is_by_worker:
        require(replies)
    if as_json:
        click.echo(json.dumps(replies, ensure_ascii=False))
        return
    for node, reply in replies.items():
        click.echo(f"->  {node}: OK")
        for line in _lines(reply):
            click.echo(f"    {visible(line)}")
    if is_by_worker:
        click.echo(_online(len(replies)))


def _lines(reply: Any) -> list[str]:
    if reply == {"ok": "pong"}:
        return ["    pong"]
    if isinstance(reply, list):
        return [f"* {each}" for each in reply] or ["- empty -"]
    return json.dumps(reply, indent=4, ensure_ascii=False).splitlines()


def _online(number: int) -> str:
    return f"\n{counted(number, 'node')} online."
