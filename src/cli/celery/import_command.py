"""import-celery: report on an application written for Celery, and import the schedules of its beat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...operations.format.terminal_text import visible
from ...up.errors import UpError
from ...up.parts.actor_loading import loading
from ..shared.calls import operator, words
from ..shared.data_folder import beside_caller, data_option, join
from .running import search

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ...celery.beat_import.importing import Planned

#: exit code if something must be changed by hand
BY_HAND = 3


@click.command("import-celery")
@click.argument("target", metavar="PATH|MODULE", required=False)
@click.option("--beat-db", metavar="URL", help="Database of django-celery-beat, whose schedules are imported.")
@click.option("--apply", is_flag=True, help="Write the schedules; default: only print what would be written.")
@data_option
def import_celery(*, target: str | None, beat_db: str | None, apply: bool, data: Path | None) -> None:
    """Report on an application written for Celery: what it has, what differs here, and what must be changed by hand.

    A PATH is read, without running it. A MODULE (proj.celery) is imported with Callboard's interface in the place of
    Celery, which also shows what its code computes, and its beat_schedule is imported. Exit code 3 if something must
    be changed by hand.
    """
    if target is None and beat_db is None:
        raise UpError("Name the folder or the module of the application, or --beat-db URL.")
    join(data)
    search(None)
    with loading():
        from ...celery.exceptions import ImproperlyConfigured
    try:
        must_change, is_loaded = _report(target) if target else (False, False)
        planned = [*(_of_code(apply) if is_loaded else []), *(_of_database(beat_db, apply) if beat_db else [])]
    except ImproperlyConfigured as error:
        raise UpError(str(error)) from None
    for line in _lines(planned, apply):
        click.echo(visible(line))
    if must_change or any(each.must_change for each in planned):
        raise SystemExit(BY_HAND)


def _report(target: str) -> tuple[bool, bool]:
    """Print the report; return whether something must be changed, and whether the code was loaded."""
    from ...celery.survey import loading as survey_loading
    from ...celery.survey import report, sources
    from ...celery.survey.inventory import Inventory

    place, found = beside_caller(target), Inventory()
    is_path = place.exists() or "/" in target or target.endswith(".py")
    read = sources.read(place if is_path else survey_loading.load(target, found))
    report.survey(read, found)
    for line in report.lines(read, found):
        click.echo(visible(line))
    return found.must_change, not is_path


def _of_code(apply: bool) -> list[Planned]:
    from ...celery.beat_import import importing

    with _session(apply) as session:
        return importing.of_code(session, apply=apply)


def _of_database(url: str, apply: bool) -> list[Planned]:
    from ...celery.beat_import import importing
    from ...celery.beat_import.database import rows
    from ...celery.beat_import.entries import entry

    entries = [entry(*row) for row in rows(_beside_caller(url))]
    with _session(apply) as session:
        return importing.of_database(session, entries, by=operator().name, apply=apply)


def _beside_caller(url: str) -> str:
    """The URL, with the file of SQLite as the caller wrote it."""
    head, mark, file = url.partition(":///")
    return f"{head}{mark}{beside_caller(file).absolute()}" if mark and head.lower().startswith("sqlite") else url


@contextmanager
def _session(apply: bool) -> Iterator[Session | None]:
    """Open a session on Callboard's database; None for a dry run before that exists."""
    from ... import migrations
    from ...jobs import JobsError
    from ...sql import database

    if not apply and migrations.problem() is not None:
        yield None
        return
    try:
        with database.write() if apply else database.read() as session:
            yield session
    except JobsError as error:
        raise UpError(words(error)) from None


def _lines(planned: Sequence[Planned], apply: bool) -> Iterator[str]:
    if not planned:
        return
    yield f"\nSchedules of beat ({len(planned)}){'' if apply else ', nothing is written without --apply'}"
    for each in planned:
        yield f"  {'created' if apply and each.step == 'create' else each.step:<10} {each.name}{' (paused)' if each.paused else ''}: {each.text}"
        yield from (f"             {text}" for text in each.lost)
