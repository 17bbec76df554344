"""Schedules of django-celery-beat become schedules of Callboard."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from src.celery.beat_import.database import rows
from src.celery.beat_import.entries import entry
from src.celery.beat_import.importing import Planned, of_database
from src.celery.exceptions import ImproperlyConfigured
from src.schedules.edit import editing
from src.schedules.rows import queries
from src.schedules.rows.models import Schedule
from src.sql.database import Database
from tests.actors import celery_tasks
from tests.harness import beat_database
from tests.harness.stores import only_on

TASKS = celery_tasks.__name__


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'beat.db'}"
    beat_database.make(url, TASKS)
    return url


def imported(database: Database, url: str, *, apply: bool = True) -> dict[str, Planned]:
    with database.write() as session:
        return {each.name: each for each in of_database(session, [entry(*row) for row in rows(url)], by="ada", apply=apply)}


def test_schedules_keep_their_rule_zone_and_arguments_and_disabled_ones_are_paused(database: Database, url: str) -> None:
    imported(database, url)

    with database.read() as session:
        found = {each.name: each for each in session.execute(select(Schedule)).scalars()}
    report, disabled, once = found.pop("report"), found.pop("disabled"), found.pop("once")
    assert found == {}
    assert (report.actor, report.cron, report.zone, report.args) == (f"{TASKS}.add", "0 6 * * mon-fri", "Europe/Berlin", ["a", "b"])
    assert (report.starts_at, report.created_by) == (datetime(2089, 1, 1, tzinfo=UTC), "ada")
    assert (disabled.every_s, disabled.kwargs, disabled.pause_reason) == (600, {"x": 1}, "disabled in django-celery-beat")
    assert disabled.due_at is None
    assert once.at == datetime(2090, 1, 1, 10, tzinfo=UTC)


def test_each_row_that_cannot_be_kept_says_why(database: Database, url: str) -> None:
    planned = imported(database, url, apply=False)

    assert {name: each.step.value for name, each in planned.items()} == {
        "report": "create", "disabled": "create", "once": "create", "has run": "skipped", "celery.backend_cleanup": "skipped",
        "too often": "refused", "either day": "refused", "at sunset": "refused", "next time only": "refused", "unknown task": "refused",
        "wrong arguments": "refused",
    }  # fmt: skip
    for name, text in {
        "too often": "whole number of seconds", "either day": "cron means either day", "at sunset": "solar is not available",
        "next time only": "it runs once", "unknown task": "No actor named", "wrong arguments": "y: Required",
    }.items():  # fmt: skip
        assert text in planned[name].text
    assert planned["disabled"].lost == (
        "expire_seconds=30 is not kept: set expires= of the task",
        "queue=elsewhere is not kept: set queue= of the task, or its route",
    )
    with database.read() as session:
        assert queries.every(session) == []


def test_a_second_import_changes_nothing_and_keeps_what_was_changed_here(database: Database, url: str) -> None:
    imported(database, url)
    with database.write() as session:
        editing.resume(session, queries.find(session, "disabled").id, by="bob")
        report = queries.find(session, "report")
        editing.change(session, report.id, replace(report.draft, cron="0 7 * * *"), by="bob")
    again = imported(database, url)

    assert (again["disabled"].step, again["once"].step, again["report"].step) == ("unchanged", "unchanged", "differs")
    assert again["report"].text.startswith("cron differ from the schedule of this name, which stays")
    with database.read() as session:
        assert queries.find(session, "disabled").paused_at is None
        assert queries.find(session, "report").cron == "0 7 * * *"


def test_an_entry_without_a_tick_to_come_is_refused_and_a_disabled_one_left(database: Database, url: str) -> None:
    given = [
        entry({**row, "start_time": None, "expires": "2020-01-01 00:00:00"}, column, rule)
        for row, column, rule in rows(url)
        if row["name"] in ("report", "disabled")
    ]
    with database.write() as session:
        report, disabled = sorted(of_database(session, given, by="ada", apply=True), key=lambda each: each.paused)

    assert (report.step, report.text) == ("refused", "ends_at: It lies in the past: choose a later instant.")
    assert (disabled.step, disabled.text) == ("skipped", "it has run")
    with database.read() as session:
        assert queries.every(session) == []


def test_an_entry_that_the_code_declares_is_left_to_it(database: Database, url: str) -> None:
    given = [
        entry({**row, "name": "every second"}, column, rule) for row, column, rule in rows(url) if row["name"] in ("report", "disabled")
    ]
    celery_tasks.app.load()
    with database.write() as session:
        by_enabled = {each.enabled: of_database(session, [each], by="ada", apply=True)[0] for each in given}

    assert by_enabled[True].step == "skipped"
    assert by_enabled[False].step == "create"
    with database.read() as session:
        [row] = queries.every(session)
    assert (row.declared, row.pause_reason) == (True, "disabled in django-celery-beat")


@only_on("postgresql")
def test_a_database_of_postgresql_is_read_with_its_types(fresh_database: Database) -> None:
    url = fresh_database.url.render_as_string(hide_password=False)
    beat_database.make(fresh_database.url, TASKS)
    planned = imported(fresh_database, url)

    assert sorted(name for name, each in planned.items() if each.step == "create") == ["disabled", "once", "report"]
    with fresh_database.read() as session:
        assert queries.find(session, "report").starts_at == datetime(2089, 1, 1, tzinfo=UTC)
        assert queries.find(session, "once").at == datetime(2090, 1, 1, 10, tzinfo=UTC)
        assert queries.find(session, "disabled").paused_at is not None


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql://x/y", "--beat-db must be postgresql://"),
        ("sqlite:////nowhere/beat.db", "There is no database at /nowhere/beat.db"),
    ],
)
def test_a_database_that_cannot_be_read_is_named(url: str, complaint: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=complaint):
        rows(url)
