"""workers, requeue, purge, alerts: control workers, queues and alerts at a terminal."""

from __future__ import annotations

from pathlib import Path

import click

from ... import COMMAND
from ...formats.quantities import counted
from ...operations.format.terminal_text import one_line, visible
from ...up.errors import UpError
from ..groups import Suggesting
from ..shared.calls import operator, writing
from ..shared.data_folder import data_option

#: exit code while an alert is active
WRONG = 3


@click.group(cls=Suggesting, invoke_without_command=True)
@data_option
@click.pass_context
def alerts(context: click.Context, /, *, data: Path | None) -> None:
    """List active and recently recovered alerts; mute or unmute one by its number.

    Exit code 3 while an alert is active and not muted.
    """
    if context.invoked_subcommand is not None:
        return
    with writing(data) as session:
        from ...jobs.alerts import alerts as room
        from ...jobs.alerts import mutes

        muted = mutes.in_force(session)
        on, over, looked_at = room.standing(session, muted), room.recovered(session), room.looked_at(session)
    for each in on:
        mute = muted.get((each.kind, each.subject))
        suffix = f"  muted until {mute.until:%Y-%m-%d %H:%M:%S}Z by {mute.muted_by}" if mute else ""
        click.echo(f"{each.id}  {each.kind}  since {each.seen_at:%Y-%m-%d %H:%M:%S}Z  {one_line(each.text)}{visible(suffix)}")
    for each in over:
        click.echo(f"recovered {each.recovered_at:%Y-%m-%d %H:%M:%S}Z  {one_line(each.text)}")
    if looked_at is None:
        click.echo("Not checked yet: is a scheduler running?", err=True)
    if any(not mutes.is_muted(each, muted) for each in on):
        raise SystemExit(WRONG)


@alerts.command("mute")
@click.argument("id", type=int)
@click.argument("how_long", metavar="UNTIL")
@data_option
def mute_alert(*, id: int, how_long: str, data: Path | None) -> None:
    """Mute the alert ID for a duration (30m, 2h, 1d) or until a time (2030-01-31T18:00:00Z)."""
    with writing(data) as session:
        from ...jobs.alerts import mutes
        from ...operations.format.request_values import ahead

        until = ahead("UNTIL", how_long)
        assert until is not None
        mutes.mute(session, id, until=until, by=operator().name)
    click.echo(f"{id} muted until {until:%Y-%m-%d %H:%M:%S}Z")


@alerts.command("unmute")
@click.argument("id", type=int)
@data_option
def unmute_alert(*, id: int, data: Path | None) -> None:
    """Unmute the alert ID."""
    with writing(data) as session:
        from ...jobs.alerts import mutes

        mutes.unmute(session, id)
    click.echo(f"{id} unmuted")


@click.command()
@click.argument("name", metavar="QUEUE")
@data_option
def requeue(*, name: str, data: Path | None) -> None:
    """Requeue the dead letters of QUEUE."""
    with writing(data) as session:
        from ... import audit
        from ...operations.fleet import override_requests

        override_requests.require(session, override_requests.Target("queue", name))
        audit.about("queue", name)
    from ...broker.recover import dead_letters

    try:
        done = dead_letters.requeue(name)
    except dead_letters.BrokerAway as error:
        raise UpError(str(error)) from None
    click.echo(f"{done.moved} requeued, {done.left} left")


@click.command()
@click.argument("name", metavar="QUEUE")
@click.option("--count", type=click.IntRange(0), help="Number of waiting jobs, as it was printed; without it nothing is cancelled.")
@data_option
def purge(*, name: str, count: int | None, data: Path | None) -> None:
    """Cancel all waiting jobs of QUEUE as a background job; without --count, print their number. Running and held jobs are not affected."""
    with writing(data) as session:
        from ...operations.fleet import override_requests
        from ...operations.jobs.requests import queue_purge

        override_requests.require(session, override_requests.Target("queue", name))
        if count is None and (number := queue_purge.waiting(session, name)):
            jobs = f"{counted(number, 'waiting job', separator=',')} in {name}"
            raise UpError(f"{jobs}. Nothing done. Cancel them:  {COMMAND} purge {name} --count {number}")
        receipt, waiting = queue_purge.purge(session, name, count=count, by=operator(), source="command")
    if receipt is None:
        click.echo(f"no waiting jobs in {name}")
        return
    click.echo(f"{receipt.id} cancels {counted(waiting, 'waiting job', separator=',')} in {name}")


@click.group(cls=Suggesting, invoke_without_command=True)
@data_option
@click.pass_context
def workers(context: click.Context, /, *, data: Path | None) -> None:
    """List the live workers; quiet, stop or resume one by its name."""
    if context.invoked_subcommand is not None:
        return
    with writing(data) as session:
        from ...jobs.leases import workers as room

        alive = room.fleet(session)
    for each in alive:
        memory = f"{each.memory_bytes / 1_000_000:.0f} MB" if each.memory_bytes else "-"
        command = {None: "", "quiet": "  quiet", "stop": "  stopping"}[each.wish]
        click.echo(f"{each.name}  {each.busy}/{each.threads} busy  {memory}  {','.join(each.queues)}{command}")


@workers.command()
@click.argument("name")
@data_option
def quiet(*, name: str, data: Path | None) -> None:
    """Make the worker NAME stop taking jobs; it finishes its current ones."""
    _ask(name, "quiet", data)
    click.echo(f"{name} stops taking jobs at its next heartbeat")


@workers.command()
@click.argument("name")
@data_option
def stop(*, name: str, data: Path | None) -> None:
    """Stop the worker NAME after its current jobs; its supervisor starts a new one."""
    _ask(name, "stop", data)
    click.echo(f"{name} stops after its current jobs")


@workers.command()
@click.argument("name")
@data_option
def resume(*, name: str, data: Path | None) -> None:
    """Let the quiet worker NAME take jobs again."""
    _ask(name, None, data)
    click.echo(f"{name} takes jobs again")


def _ask(name: str, command: str | None, data: Path | None) -> None:
    with writing(data) as session:
        from ...jobs.core.states import WorkerCommand
        from ...jobs.leases import worker_commands

        worker_commands.ask(session, name, WorkerCommand(command) if command else None, by=operator().name)
