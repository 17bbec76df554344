"""workers, requeue, alerts: who runs the jobs and is to stop doing so, what RabbitMQ set aside, what is wrong, at a terminal."""

from __future__ import annotations

from pathlib import Path

import click

from src.cli.controls import writing
from src.cli.folders import data_option
from src.cli.jobs import whoever_types
from src.up.errors import UpError

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


@click.command()
@click.argument("name", metavar="QUEUE")
@data_option
def requeue(*, name: str, data: Path | None) -> None:
    """Give the dead letters of QUEUE back to the queue each came from."""
    with writing(data) as session:
        from src import audit
        from src.web import controlling

        controlling.require(session, controlling.Target("queue", name))
        audit.about("queue", name)
    from src.broker import dead_letters

    try:
        done = dead_letters.requeue(name)
    except dead_letters.BrokerAway as error:
        raise UpError(str(error)) from None
    click.echo(f"{done.moved} went back, {done.left} are left")


@click.group(invoke_without_command=True)
@data_option
@click.pass_context
def workers(context: click.Context, /, *, data: Path | None) -> None:
    """List the living workers; quiet, stop, resume: one of them by its name."""
    if context.invoked_subcommand is not None:
        return
    with writing(data) as session:
        from src.jobs import workers as room

        alive = room.alive(session)
    for each in alive:
        memory = f"{each.memory_bytes / 1_000_000:.0f} MB" if each.memory_bytes else "-"
        told = {None: "", "quiet": "  quiet", "stop": "  stops"}[each.wish]
        click.echo(f"{each.name}  {each.busy}/{each.threads} busy  {memory}  {','.join(each.queues)}{told}")


@workers.command()
@click.argument("name")
@data_option
def quiet(*, name: str, data: Path | None) -> None:
    """Have the worker NAME take nothing new; it finishes what it runs."""
    _ask(name, "quiet", data)
    click.echo(f"{name} takes nothing new from its next heartbeat on")


@workers.command()
@click.argument("name")
@data_option
def stop(*, name: str, data: Path | None) -> None:
    """Have the worker NAME end once it has finished what it runs; its supervisor starts a fresh one."""
    _ask(name, "stop", data)
    click.echo(f"{name} ends once it has finished what it runs")


@workers.command()
@click.argument("name")
@data_option
def resume(*, name: str, data: Path | None) -> None:
    """Have the quiet worker NAME go on."""
    _ask(name, None, data)
    click.echo(f"{name} goes on")


def _ask(name: str, wish: str | None, data: Path | None) -> None:
    with writing(data) as session:
        from src.jobs import wishes
        from src.jobs.states import Wish

        wishes.ask(session, name, Wish(wish) if wish else None, by=whoever_types().name)
