"""errors, dead-letters: error groups, and messages that RabbitMQ set aside, at a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ... import COMMAND
from ...up.errors import UpError
from ..groups import Suggesting
from ..jobs.bulk import bulk
from ..shared.calls import operator, words, writing
from ..shared.data_folder import data_option, join

#: error groups of a list
LISTED = 50


@click.group(cls=Suggesting, invoke_without_command=True)
@click.option("--status", type=click.Choice(["open", "regressed", "resolved", "muted"]), help="By default open and regressed.")
@click.option(
    "--sort", type=click.Choice(["last", "first", "count"]), default="last", show_default=True, help="Newest, first seen or most first."
)
@click.option("--search", default="", help="Words in type, place, message or actors.")
@data_option
@click.pass_context
def errors(context: click.Context, /, *, status: str | None, sort: str, search: str, data: Path | None) -> None:
    """List error groups; show, retry, resolve, reopen or mute one by its ID."""
    if context.invoked_subcommand is not None:
        return
    with _reading(data) as session:
        from ...jobs.failures import groups
        from ...operations.failures import error_documents
        from ...operations.format.terminal_text import one_line

        page = groups.page(session, chosen=groups.Status(status) if status else None, sort=groups.Sort(sort), text=search, limit=LISTED)
        for each in error_documents.documents(session, page.groups):
            message = each["newest_error"] or f"{each['kind']}: {each['message']}"
            told = f"{', '.join(each['actors'])}  {message}"
            click.echo(f"{each['fingerprint']}  {each['status']:<9} {each['count']:>7}  {each['last_seen_at']}  {one_line(told)}")
        if page.after:
            click.echo(f"Only the first {LISTED} are listed: narrow them down with --search or --status.", err=True)


@errors.command("show")
@click.argument("id")
@data_option
def show_error(*, id: str, data: Path | None) -> None:
    """Print the error group ID with its newest failed attempts as JSON."""
    with _reading(data) as session:
        from ...jobs.failures import groups
        from ...operations.failures import error_documents

        _print(error_documents.whole(session, groups.find(session, id)))


@errors.command("retry")
@click.argument("id")
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
@click.option("--count", type=click.IntRange(0), help="Expected number of jobs; if it differs, do nothing and exit with code 1.")
@click.option("--dry-run", is_flag=True, help="Print the number of matching jobs and do nothing.")
@data_option
@click.pass_context
def retry_error(context: click.Context, /, *, id: str, **given: Any) -> None:
    """Retry all dead and retrying jobs of the error group ID, as ./run bulk retry does."""
    with _reading(given["data"]) as session:
        from ...jobs.failures import groups

        found = groups.find(session, id).fingerprint
    context.invoke(bulk, verb="retry", query=f"error:{found} state:failed", **given)


@errors.command("resolve")
@click.argument("id")
@data_option
def resolve_error(*, id: str, data: Path | None) -> None:
    """Resolve the error group ID; if it occurs again, it is shown as regressed."""
    with writing(data) as session:
        from ...jobs.failures import groups

        groups.resolve(session, id, by=operator().name)
    click.echo(f"{id} resolved")


@errors.command("reopen")
@click.argument("id")
@data_option
def reopen_error(*, id: str, data: Path | None) -> None:
    """Reopen the resolved or muted error group ID."""
    with writing(data) as session:
        from ...jobs.failures import groups

        groups.reopen(session, id)
    click.echo(f"{id} reopened")


@errors.command("mute")
@click.argument("id")
@click.argument("how_long", metavar="UNTIL")
@data_option
def mute_error(*, id: str, how_long: str, data: Path | None) -> None:
    """Mute the error group ID for a duration (30m, 2h, 1d) or until a time (2030-01-31T18:00:00Z)."""
    with writing(data) as session:
        from ...jobs.failures import groups
        from ...operations.format.request_values import ahead

        until = ahead("UNTIL", how_long)
        assert until is not None
        groups.mute(session, id, by=operator().name, until=until)
    click.echo(f"{id} muted until {until:%Y-%m-%d %H:%M:%S}Z")


@click.group("dead-letters", cls=Suggesting, invoke_without_command=True)
@click.argument("name", metavar="QUEUE")
@data_option
@click.pass_context
def dead_letters(context: click.Context, /, *, name: str, data: Path | None) -> None:
    """List the oldest dead letters of QUEUE; show, requeue or delete one by its KEY, or purge all. ./run requeue QUEUE requeues all."""
    context.obj = name
    if context.invoked_subcommand is not None:
        return
    with _queue(name, data):
        from ...operations.failures import dead_letter_documents
        from ...operations.format.terminal_text import one_line

        listed = [dead_letter_documents.document(each) for each in dead_letter_documents.seen(name)]
    for each in listed:
        call = f"{each['actor']} {json.dumps(each['args'])} {json.dumps(each['kwargs'])}" if each["actor"] else "not a message"
        click.echo(f"{each['key']}  {each['died_at'] or '-'}  {one_line(each['reason'] or '-')}  {one_line(call)}")


@dead_letters.command("show")
@click.argument("key")
@data_option
@click.pass_obj
def show_letter(name: str, /, *, key: str, data: Path | None) -> None:
    """Print the dead letter KEY as JSON."""
    with _queue(name, data):
        from ...operations.failures import dead_letter_documents

        found = next((dead_letter_documents.document(each) for each in dead_letter_documents.seen(name) if each.key == key), None)
    if found is None:
        raise UpError(f"The oldest dead letters of {name} include no {key}. {COMMAND} dead-letters {name} lists them.")
    _print(found)


@dead_letters.command("requeue")
@click.argument("key")
@click.option("--args", help="Other arguments by position, as a JSON list.")
@click.option("--kwargs", help="Other arguments by name, as a JSON object.")
@data_option
@click.pass_obj
def requeue_letter(name: str, /, *, key: str, args: str | None, kwargs: str | None, data: Path | None) -> None:
    """Requeue the dead letter KEY, with other arguments if given."""
    given = {field: _json(field, text, kind) for field, text, kind in (("args", args, list), ("kwargs", kwargs, dict)) if text is not None}
    with _queue(name, data):
        from ...broker.recover import dead_letter_contents

        dead_letter_contents.requeue_one(name, key, arguments=given or None)
    click.echo(f"{key} requeued")


@dead_letters.command("delete")
@click.argument("key")
@data_option
@click.pass_obj
def delete_letter(name: str, /, *, key: str, data: Path | None) -> None:
    """Delete the dead letter KEY."""
    with _queue(name, data):
        from ...broker.recover import dead_letter_contents

        dead_letter_contents.delete_one(name, key)
    click.echo(f"{key} deleted")


@dead_letters.command("purge")
@click.option("--yes", is_flag=True, help="Skip the confirmation, which asks for the queue's name.")
@data_option
@click.pass_obj
def purge_letters(name: str, /, *, yes: bool, data: Path | None) -> None:
    """Delete all dead letters of the queue."""
    if not yes and click.prompt(f"Type {name} to delete all its dead letters", err=True, default="", show_default=False) != name:
        raise UpError("Nothing done: the name does not match.")
    with _queue(name, data):
        from ...broker.recover import dead_letter_contents

        number = dead_letter_contents.purge(name)
    click.echo(f"{number} deleted")


@contextmanager
def _reading(data: Path | None) -> Iterator[Any]:
    """Open a read session on the data folder's database with the actors loaded; converts errors of src.jobs to UpError."""
    join(data, needs_actors=False)
    from ... import actors
    from ...jobs import JobsError
    from ...sql import database

    del actors  # loading them makes their secrets known
    try:
        with database.read() as session:
            yield session
    except JobsError as error:
        raise UpError(words(error)) from None


@contextmanager
def _queue(name: str, data: Path | None) -> Iterator[None]:
    """Check the queue and name it in the audit log; report errors of RabbitMQ in the block."""
    with writing(data) as session:
        from ... import audit
        from ...operations.fleet import override_requests

        override_requests.require(session, override_requests.Target("queue", name))
        audit.about("queue", name)
    from ...broker.recover.dead_letters import BrokerAway
    from ...jobs import JobsError

    try:
        yield
    except (BrokerAway, JobsError) as error:
        raise UpError(str(error)) from None


def _json(name: str, text: str, kind: type) -> Any:
    from ...jobs.core import values

    try:
        value = values.loads(text)
        values.dumps(value)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"not JSON that a message can hold: {error}.", param_hint=f"--{name}") from None
    if not isinstance(value, kind):
        raise click.BadParameter(f"must be a JSON {'list' if kind is list else 'object'}.", param_hint=f"--{name}")
    return value


def _print(document: Any) -> None:
    from ...operations.format import json_documents

    click.echo(json.dumps(json_documents.finite(document), indent=2, ensure_ascii=False))
