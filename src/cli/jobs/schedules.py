"""schedules, schedule: list, create, edit and control schedules at a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ...operations.format.terminal_text import one_line
from ...up.errors import UpError
from ..groups import Suggesting
from ..shared.actor_arguments import arguments_of, read_arguments
from ..shared.actor_command import OfActor
from ..shared.calls import sending, words
from ..shared.data_folder import data_option, join
from ..shared.terminal_user import terminal_user

#: options of `create` and `change`, named like the API fields
_TIMES = {
    "--cron": "Five fields, e.g. '0 6 * * mon-fri', or @daily.",
    "--every": "An interval: 30 (seconds), 5m, 1h30m.",
    "--at": "A single time, e.g. 2030-01-01T09:00:00Z.",
    "--zone": "IANA time zone, e.g. Europe/Berlin.",
    "--starts-at": "No ticks before this time.",
    "--ends-at": "No ticks after this time.",
    "--jitter": "Delays each tick by up to this much.",
}
_POLICIES = {
    "--missed": "skip, once or all.",
    "--grace": "Delay that still counts as on time.",
    "--overlap": "allow, skip, queue or cancel.",
    "--pause-after": "Pause after this many failures in a row.",
    "--expect-success": "A time of day (06:30), or a duration after each tick (45m).",
    "--on-failure": "Actor that is notified of failures.",
    "--on-recovery": "Actor that is notified of recoveries.",
    "--on-alert": "Actor that is notified of a missing success.",
}


def _options(options: dict[str, str]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for name, text in reversed(options.items()):
            command = click.option(name, help=text)(command)
        return command

    return decorate


@click.command()
@data_option
def schedules(*, data: Path | None) -> None:
    """List the schedules: status, name, timing, next tick."""
    join(data, needs_actors=False)
    from ...operations.schedules import schedule_documents as documents
    from ...schedules.rows import queries
    from ...schedules.rules import preview
    from ...sql import database

    with database.read() as session:
        for each in queries.every(session):
            next = documents.coming(each, 1)
            at = f"{next[0].local:%Y-%m-%d %H:%M:%S} {each.zone}" if next else "-"
            click.echo(
                f"{each.id:>4}  {documents.condition(each).value:<7} {one_line(each.name):<32} {at:<38} {preview.words(each.draft.rule)}"
            )


@click.group(cls=Suggesting)
def schedule() -> None:
    """One schedule: show, create, change, pause, resume, run-now, backfill, follow-code, delete, preview."""


@schedule.command("show")
@click.argument("which", metavar="ID|NAME")
@data_option
def show(*, which: str, data: Path | None) -> None:
    """Print one schedule as JSON."""

    def look(session: Any) -> Any:
        from ...operations.schedules import schedule_documents as documents
        from ...schedules.rows import queries

        found = queries.find(session, which)
        runs = [documents.run(each) for each in queries.history(session, found.id, limit=10).runs]
        return {**documents.document(found), "ticks": runs}

    _print(_do(data, look))


@schedule.command("create", cls=OfActor, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("name")
@click.argument("actor")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[--ARG VALUE]...")
@_options(_TIMES)
@_options(_POLICIES)
@data_option
def create(*, name: str, actor: str, arguments: Sequence[str], data: Path | None, **given: str | None) -> None:
    """Create a schedule NAME of ACTOR. Arguments follow as in ./run submit.

    An option after ACTOR with the name of one of its parameters sets that parameter. Put this verb's own option
    before NAME: ./run schedule create --every 1h NAME ACTOR --every 5
    """
    join(data)
    from ... import actors
    from ...operations.schedules import schedule_documents, schedule_request
    from ...schedules.edit import editing
    from ...scheduling.draft_validation import fitted

    def make(session: Any) -> Any:
        known = arguments_of(actor)
        args, kwargs = known.signature.arrange(read_arguments(known.fields, arguments))
        draft = schedule_request.read(_given(given) | {"name": name, "actor": actor}).draft()
        draft = fitted(replace(draft, args=args, kwargs=kwargs), actors.broker)
        return schedule_documents.document(editing.create(session, draft, by=_me()))

    _print(_do(data, make, needs_actors=True))


@schedule.command("change")
@click.argument("which", metavar="ID|NAME")
@_options(_TIMES)
@_options(_POLICIES)
@data_option
def change(*, which: str, data: Path | None, **given: str | None) -> None:
    """Edit the timing and policies; an empty text removes a value."""

    def edit(session: Any) -> Any:
        from ... import actors
        from ...operations.schedules import schedule_documents, schedule_request
        from ...schedules.edit import editing
        from ...schedules.rows import queries
        from ...scheduling.draft_validation import fitted

        found = queries.find(session, which)
        said = schedule_documents.fields(found.draft) | {"args": found.args, "kwargs": found.kwargs}
        new = _given(given)
        if {"cron", "every", "at"} & new.keys():
            said |= {"cron": None, "every": None, "at": None}
        draft = schedule_request.read(said | {name: value or None for name, value in new.items()}).draft()
        return schedule_documents.document(editing.change(session, found.id, fitted(draft, actors.broker), by=_me()))

    _print(_do(data, edit, needs_actors=True))


def _acting(name: str, text: str) -> None:
    @schedule.command(name, help=text)
    @click.argument("which", metavar="ID|NAME")
    @data_option
    def act(*, which: str, data: Path | None) -> None:
        def do(session: Any) -> Any:
            from ... import actors
            from ...broker.options import periodic
            from ...operations.schedules import schedule_documents as documents
            from ...schedules.edit import editing
            from ...schedules.rows import queries
            from ...schedules.ticks import ticks

            found = queries.find(session, which)
            if name == "delete":
                return editing.delete(session, found.id)
            if name == "run-now":
                fired = ticks.run_now(session, found.id, periodic.maker(actors.broker), by=_me())
                if fired.is_shared:
                    click.echo(f"No new job: {fired.reason}.", err=True)
                return fired.job_id
            act = {"pause": editing.pause, "resume": editing.resume, "follow-code": editing.follow_code}[name]
            changed = act(session, found.id, by=_me())
            return f"{changed.id}  {documents.condition(changed).value}"

        done = _do(data, do)
        if done is not None:
            click.echo(done)


for _name, _text in {
    "pause": "Pause a schedule: no tick fires until it is resumed.",
    "resume": "Resume a schedule from its next tick on.",
    "run-now": "Run a schedule once, independent of its ticks, and print the job id.",
    "follow-code": "Remove the overrides of a schedule that is declared in code.",
    "delete": "Delete a schedule with its history; its jobs are kept.",
}.items():
    _acting(_name, _text)


@schedule.command("backfill")
@click.argument("which", metavar="ID|NAME")
@click.option("--from", "start", required=True, help="Start of the range, e.g. 2026-03-01T00:00:00Z.")
@click.option("--to", "end", required=True, help="End of the range.")
@data_option
def backfill(*, which: str, start: str, end: str, data: Path | None) -> None:
    """Run the ticks of a time range that have no job yet, and print the job ids."""

    def do(session: Any) -> Any:
        from ... import actors
        from ...broker.options import periodic
        from ...operations.format.instants import parse_instant
        from ...schedules.rows import queries
        from ...schedules.ticks import backfill as backfilling

        found = queries.find(session, which)
        return backfilling.backfill(session, found.id, parse_instant(start), parse_instant(end), periodic.maker(actors.broker), by=_me())

    backfilled = _do(data, do, needs_actors=True)
    for id in backfilled.job_ids:
        click.echo(id)
    if backfilled.shared:
        click.echo(f"for {backfilled.shared} a job of their unique key stands", err=True)
    if backfilled.had_one:
        click.echo(f"{backfilled.had_one} already had a job", err=True)


@schedule.command("preview")
@_options(_TIMES)
@click.option("-n", "number", type=click.IntRange(1, 100), default=10, show_default=True, help="Number of ticks.")
@data_option
def preview(*, number: int, data: Path | None, **given: str | None) -> None:
    """Preview the ticks of a rule; saves nothing."""
    join(data, needs_actors=False)
    from ...jobs import JobsError
    from ...operations.schedules import schedule_documents, schedule_request

    try:
        shown = schedule_documents.previewed(schedule_request.read(_given(given), schedule_request.Times).rule(), number)
    except JobsError as error:
        raise UpError(words(error)) from None
    click.echo(shown["words"])
    for each in shown["ticks"]:
        click.echo(f"  {each['local'].replace('T', ' ')}   {each['at']}")
    for note in shown["notes"]:
        click.echo(note)


def _do(data: Path | None, do: Callable[[Any], Any], *, needs_actors: bool = False) -> Any:
    """Run the operation in one transaction and flush its messages to RabbitMQ."""
    join(data, needs_actors=needs_actors)
    from ...jobs import JobsError
    from ...sql import database

    try:
        with sending(), database.write() as session:
            done = do(session)
    except (JobsError, ValueError) as error:
        raise UpError(words(error)) from None
    return done


def _given(options: dict[str, str | None]) -> dict[str, Any]:
    """The given options, named like the API fields."""
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if str(given.get("pause_after", "")).isdecimal():
        given["pause_after"] = int(given["pause_after"])
    return given


def _print(document: Any) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _me() -> str:
    return terminal_user()
