"""Users' changes of schedules, beside the declarations in code."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from src.jobs.core.errors import InvalidArguments, NotAllowed
from src.jobs.core.states import State
from src.schedules import cron, every
from src.schedules.edit import declared_schedules, editing
from src.schedules.rows import queries
from src.schedules.rows.errors import UnknownSchedule
from src.schedules.rows.makers import Maker
from src.schedules.rows.models import Schedule
from src.schedules.rows.retention import prune
from src.schedules.ticks import backfill, ticks
from src.sql.database import Database
from tests.harness.jobs import StillClock
from tests.harness.schedules import at, created, end, fire, follow, history, jobs, look, said
from tests.sql.schedules.conftest import MONDAY_NOON


def changed(database: Database, id: int, **fields: object) -> Schedule:
    with database.write() as session:
        draft = queries.find(session, id).draft
        return editing.change(session, id, replace(draft, **fields), by="tester")  # type: ignore[arg-type]


def declare(database: Database, known: set[str] | None = None, owners: Collection[str] = (), **declared: object) -> None:
    """Synchronise like a starting scheduler process: actor=periodic."""
    with database.write() as session:
        declared_schedules.synchronise(session, declared, known or {"sched_work"}, owners)  # type: ignore[arg-type]


def the_one(database: Database) -> Schedule:
    with database.read() as session:
        [schedule] = queries.every(session)
    return schedule


def test_a_new_time_begins_now_and_repeats_nothing(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, cron="0 * * * *")
    time.forward(3600)
    fire(database, id, make)

    changed(database, id, cron="*/10 * * * *")

    assert look(database, id).due_at == at(2026, 1, 5, 13, 10)
    assert fire(database, id, make) == []


@pytest.mark.both_stores
def test_a_change_that_is_not_of_time_leaves_the_next_tick(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database)
    time.forward(300)  # no tick has fired meanwhile

    changed(database, id, kwargs={"number": 5})

    assert look(database, id).due_at == MONDAY_NOON + timedelta(minutes=1)


@pytest.mark.parametrize("name", [f"renamed {number}" for number in range(12)])
def test_a_renamed_schedule_with_jitter_loses_no_tick(database: Database, time: StillClock, make: Maker, name: str) -> None:
    """Its jitter depends on its name: a tick that the old name made due earlier was neither run nor recorded."""
    id = created(database, every_s=3_600, jitter_s=1_800)
    before = look(database, id)
    changed(database, id, name=name)
    after = look(database, id)
    assert after.tick_at == before.tick_at
    for due_at in sorted(each.due_at for each in (before, after) if each.due_at is not None):
        time.instant = due_at + timedelta(seconds=1)
        fire(database, id, make)

    assert [tick.scheduled_for for tick in history(database, id)] == [before.tick_at]


@pytest.mark.parametrize("value", [False, 0.0, 0])
def test_an_argument_that_changes_only_its_type_is_changed(database: Database, time: StillClock, value: object) -> None:
    """Python says that False, 0 and 0.0 are equal; an actor may tell them apart."""
    id = created(database)
    for kept in (False, 0, 0.0, value):
        changed(database, id, kwargs={"flag": kept})

        found = look(database, id).kwargs["flag"]
        assert (found, type(found)) == (kept, type(kept))


def test_an_edit_of_an_older_version_is_refused(database: Database, time: StillClock) -> None:
    id = created(database)
    changed(database, id, kwargs={"number": 5})

    with pytest.raises(NotAllowed, match="meanwhile been changed"), database.write() as session:
        editing.change(session, id, look(database, id).draft, by="other", version=1)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"cron": "70 * * * *"}, "cron"),
        ({"cron": "* * * * *", "every_s": 5}, "cron"),
        ({"every_s": 0}, "every"),
        ({"zone": "Berlin", "cron": "* * * * *"}, "zone"),
        ({"zone": "../../etc/passwd", "cron": "* * * * *"}, "zone"),
        ({"at": MONDAY_NOON - timedelta(seconds=1)}, "at"),
        ({"at": MONDAY_NOON + timedelta(days=1), "ends_at": MONDAY_NOON + timedelta(hours=1)}, "at"),
        ({"at": MONDAY_NOON + timedelta(days=1), "starts_at": MONDAY_NOON + timedelta(days=2)}, "at"),
        ({"starts_at": MONDAY_NOON, "ends_at": MONDAY_NOON - timedelta(days=1)}, "ends_at"),
        ({"ends_at": MONDAY_NOON - timedelta(days=1)}, "ends_at"),
        ({"cron": "0 3 * * *", "starts_at": MONDAY_NOON, "ends_at": MONDAY_NOON + timedelta(hours=1)}, "ends_at"),
        ({"expect_by": "6:30"}, "expect_success"),
        ({"pause_after": 0}, "pause_after"),
    ],
)
def test_an_invalid_schedule_is_refused_by_field(database: Database, time: StillClock, fields: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        created(database, **fields)

    assert list(refused.value.errors) == [name]


def test_a_schedule_that_has_run_out_is_edited_except_for_another_time_without_ticks(
    database: Database, time: StillClock, make: Maker
) -> None:
    id = created(database, ends_at=MONDAY_NOON + timedelta(minutes=5))
    time.forward(3_600)
    fire(database, id, make)

    assert changed(database, id, kwargs={"number": 5}, name="finished").tick_at is None
    with pytest.raises(InvalidArguments, match="ends_at: It lies in the past: choose a later instant"):
        changed(database, id, cron="0 * * * *")
    with pytest.raises(InvalidArguments, match="ends_at: No tick lies before this end: choose a later one"):
        changed(database, id, cron="0 3 * * *", ends_at=MONDAY_NOON + timedelta(hours=2))
    assert changed(database, id, ends_at=at(2026, 1, 6)).tick_at == MONDAY_NOON + timedelta(minutes=61)


def test_a_schedule_follows_its_code_again_though_that_has_run_out(database: Database, time: StillClock) -> None:
    declare(database, sched_work=cron("0 * * * *", ends_at=MONDAY_NOON + timedelta(hours=1)))
    id = the_one(database).id
    changed(database, id, ends_at=at(2026, 2, 1))
    time.forward(7_200)

    with database.write() as session:
        assert editing.follow_code(session, id, by="tester").tick_at is None


def test_two_schedules_cannot_be_called_alike(database: Database, time: StillClock) -> None:
    created(database)

    with pytest.raises(InvalidArguments) as refused:
        created(database)

    assert list(refused.value.errors) == ["name"]


@pytest.mark.both_stores
def test_a_pause_is_no_miss(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, missed="all")
    with database.write() as session:
        editing.pause(session, id, by="tester", reason="deploy")
    time.forward(600)
    assert fire(database, id, make) == []

    with database.write() as session:
        editing.resume(session, id, by="tester")

    assert look(database, id).due_at == MONDAY_NOON + timedelta(minutes=11)
    assert history(database, id) == []
    with database.read() as session:
        assert [(each.what, each.changed_by) for each in queries.changes(session, id)] == [
            ("resumed", "tester"), ("paused", "tester"), ("created", "tester"),
        ]  # fmt: skip


@pytest.mark.both_stores
def test_run_now_does_not_move_the_clock(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database)
    time.forward(30)

    with database.write() as session:
        fired = ticks.run_now(session, id, make, by="tester")

    assert look(database, id).due_at == MONDAY_NOON + timedelta(minutes=1)
    [job] = jobs(database)
    assert (job.id, job.submitted_by, job.options) == (fired.job_id, "tester", {"scheduled_for": "2026-01-05T12:00:30+00:00"})


def test_run_now_is_refused_where_it_would_overlap(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, overlap="skip")
    time.forward(60)
    fire(database, id, make)

    with pytest.raises(NotAllowed, match="of an earlier tick is queued"), database.write() as session:
        ticks.run_now(session, id, make, by="tester")

    assert len(jobs(database)) == 1


def test_a_backfill_gives_each_tick_its_own_instant_and_makes_no_doubles(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, missed="skip")
    time.forward(60)
    fire(database, id, make)  # 12:01 runs
    time.forward(4 * 60)
    fire(database, id, make)  # 12:02 to 12:04 are missed, 12:05 runs
    assert [state for _, state in said(database, id)] == ["submitted", "missed", "missed", "missed", "submitted"]

    for expected in (5, 0):
        with database.write() as session:
            made = backfill.backfill(session, id, at(2026, 1, 5, 11, 59), at(2026, 1, 5, 23), make, by="tester")
        assert (len(made.fired), made.had_one) == (expected, 7 - expected)

    assert [tick.scheduled_for.minute for tick in history(database, id)] == [59, 0, 1, 2, 3, 4, 5]
    instants = [job.options["scheduled_for"] for job in jobs(database)]
    assert len(instants) == len(set(instants)) == 7
    assert look(database, id).due_at == at(2026, 1, 5, 12, 6)


def test_a_backfill_of_a_long_past_period_makes_no_doubles_after_a_clean_up(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, every_s=60, missed="skip")
    time.forward(2 * 86_400)
    fire(database, id, make)
    newer = len(history(database, id))

    def again() -> int:
        with database.write() as session:
            return len(backfill.backfill(session, id, at(2025, 9, 1), at(2025, 9, 1, 0, 4), make, by="tester").fired)

    assert again() == 5
    for job in jobs(database):
        end(database, job.id)
    follow(make)
    with database.write() as session:
        assert prune(session) == 0
    assert again() == 0
    time.forward(61 * 86_400)
    with database.write() as session:
        assert prune(session) == 5 + newer - 100


@pytest.mark.both_stores
def test_a_backfill_of_jobs_that_must_not_overlap_lines_up(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, overlap="skip")
    with database.write() as session:
        backfill.backfill(session, id, at(2026, 1, 5, 11, 58), at(2026, 1, 5, 12), make, by="tester")

    assert [job.state for job in jobs(database)] == [State.QUEUED, State.SCHEDULED, State.SCHEDULED]
    end(database, jobs(database)[0].id)
    follow(make)
    assert [job.state for job in jobs(database)] == [State.SUCCEEDED, State.QUEUED, State.SCHEDULED]


@pytest.mark.both_stores
def test_a_deleted_schedule_leaves_its_jobs_but_none_that_waits_for_its_turn(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, overlap="queue")
    for _ in range(2):
        time.forward(60)
        fire(database, id, make)

    with database.write() as session:
        editing.delete(session, id)

    assert [job.state for job in jobs(database)] == [State.QUEUED, State.CANCELLED]
    with pytest.raises(UnknownSchedule):
        look(database, id)


@pytest.mark.long
def test_old_ticks_go_and_the_newest_hundred_stay(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, every_s=1, missed="all")
    for _ in range(2):
        time.forward(80)
        fire(database, id, make)
    for job in jobs(database):
        end(database, job.id)
    follow(make)
    time.forward(61 * 86_400)

    with database.write() as session:
        assert prune(session) == 60
        assert prune(session) == 0

    assert len(history(database, id)) == 100


@pytest.mark.both_stores
def test_old_changes_go_and_the_newest_hundred_stay(database: Database, time: StillClock) -> None:
    other, id = created(database, name="other"), created(database)
    for _ in range(60):
        with database.write() as session:
            editing.pause(session, id, by="tester")
            editing.resume(session, id, by="tester")
    with database.read() as session:
        newest = [change.id for change in queries.changes(session, id, limit=100)]
    time.forward(59 * 86_400)
    with database.write() as session:
        prune(session)
        assert len(queries.changes(session, id, limit=500)) == 121
    time.forward(2 * 86_400)
    with database.write() as session:
        prune(session)
        assert [change.id for change in queries.changes(session, id, limit=500)] == newest
        assert len(queries.changes(session, other)) == 1


def test_the_code_declares_a_schedule_once_however_many_schedulers_start(database: Database, time: StillClock) -> None:
    for _ in range(3):
        declare(database, sched_work=cron("0 6 * * mon-fri", zone="Europe/Berlin", kwargs={"number": 3}))

    schedule = the_one(database)
    assert (schedule.name, schedule.actor, schedule.kwargs, schedule.declared) == ("sched_work", "sched_work", {"number": 3}, True)
    assert schedule.due_at == at(2026, 1, 6, 5)
    assert schedule.version == 1


@pytest.mark.both_stores
def test_a_deploy_changes_only_fields_without_an_override(database: Database, time: StillClock) -> None:
    declare(database, sched_work=cron("0 6 * * *", kwargs={"number": 3}))
    id = the_one(database).id
    changed(database, id, cron="0 7 * * *")

    declare(database, sched_work=cron("0 9 * * *", kwargs={"number": 4}, overlap="skip"))

    schedule = the_one(database)
    assert (schedule.cron, schedule.kwargs, schedule.overlap.value) == ("0 7 * * *", {"number": 4}, "skip")
    assert schedule.overridden == ["cron"]
    assert schedule.code_draft is not None
    assert schedule.code_draft.cron == "0 9 * * *"
    with database.write() as session:
        editing.follow_code(session, id, by="tester")
    assert (the_one(database).cron, the_one(database).overridden) == ("0 9 * * *", [])


@pytest.mark.both_stores
def test_a_schedule_no_longer_declared_pauses_and_returns_with_its_declaration(database: Database, time: StillClock, make: Maker) -> None:
    declare(database, sched_work=every(60))
    declare(database, {"another_part_of_the_fleet"})
    assert the_one(database).due_at is not None

    declare(database)
    assert (the_one(database).gone, the_one(database).due_at) == (True, None)
    time.forward(600)
    assert fire(database, the_one(database).id, make) == []

    declare(database, sched_work=every(60))
    assert (the_one(database).gone, the_one(database).due_at) == (False, MONDAY_NOON + timedelta(minutes=11))


@pytest.mark.both_stores
def test_a_schedule_missing_among_its_owners_declarations_ends(database: Database, time: StillClock) -> None:
    declare(database, sched_work=replace(every(60), owner="celery:proj"))
    for owners in ((), ("celery:other",)):
        declare(database, {"another_part_of_the_fleet"}, owners)
        assert the_one(database).due_at is not None

    declare(database, {"another_part_of_the_fleet"}, ("celery:proj",))
    assert (the_one(database).gone, the_one(database).due_at) == (True, None)

    declare(database, sched_work=every(60))
    declare(database, {"another_part_of_the_fleet"}, ("celery:proj",))
    assert not the_one(database).gone  # it has no owner any more


def test_a_schedule_takes_the_owner_of_its_newest_declaration(
    database: Database, time: StillClock, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier, one, other = "celery:proj", "celery:proj:shop.celery:default", "celery:proj:mail.celery:default"
    declare(database, sched_work=replace(every(60), owner=earlier))
    declare(database, None, (one, earlier), sched_work=replace(every(60), owner=one))
    declare(database, {"another_part_of_the_fleet"}, (other, earlier))

    assert not the_one(database).gone
    assert "schedule_of_another_owner_replaced" not in capsys.readouterr().err
    declare(database, None, (other, earlier), sched_work=replace(every(60), owner=other))
    assert "schedule_of_another_owner_replaced" in capsys.readouterr().err


@pytest.mark.both_stores
def test_a_pause_outlives_a_deploy(database: Database, time: StillClock) -> None:
    declare(database, sched_work=every(60))
    with database.write() as session:
        editing.pause(session, the_one(database).id, by="tester")

    declare(database, sched_work=every(30))

    assert (the_one(database).every_s, the_one(database).due_at) == (30, None)


def test_a_declared_schedule_cannot_be_deleted_or_renamed(database: Database, time: StillClock) -> None:
    declare(database, sched_work=every(60))
    id = the_one(database).id

    with pytest.raises(NotAllowed, match="declared in code"), database.write() as session:
        editing.delete(session, id)
    with pytest.raises(InvalidArguments):
        changed(database, id, name="other")


@pytest.mark.both_stores
def test_after_a_deploy_schedules_that_no_longer_fit_are_marked_and_those_that_do_are_not(
    database: Database, time: StillClock, make: Maker
) -> None:
    narrow, fits = created(database, "narrow", kwargs={"number": 700}), created(database, "fits", kwargs={"number": 7})
    unknown = created(database, "unknown", actor="sched_elsewhere")

    with database.write() as session:
        assert declared_schedules.judge(session, make) == 1

    assert "number" in (look(database, narrow).broken or "")
    assert look(database, fits).broken is None
    assert look(database, unknown).broken is None
    changed(database, narrow, kwargs={"number": 70})
    with database.write() as session:
        assert declared_schedules.judge(session, make) == 0
