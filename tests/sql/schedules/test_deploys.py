"""Deploys: the declarations in code meet overrides, pauses and schedules that have left the code."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from src.jobs.core.errors import NotAllowed
from src.operations.schedules import schedule_documents as documents
from src.operations.schedules.schedule_documents import Condition
from src.schedules import cron, every
from src.schedules.edit import declared_schedules, editing
from src.schedules.rows import queries
from src.schedules.rows.declarations import Declaration
from src.schedules.rows.makers import Maker
from src.schedules.rows.models import Schedule
from src.sql.database import Database
from tests.harness.jobs import StillClock
from tests.harness.schedules import at, created, fire, jobs, look, said


def deploy(database: Database, **declared: Declaration) -> int:
    """Synchronise like a starting scheduler process; return the id of the only schedule."""
    with database.write() as session:
        declared_schedules.synchronise(session, declared, {"sched_work"})
        [schedule] = queries.every(session)
        return schedule.id


def override(database: Database, id: int, **fields: object) -> None:
    with database.write() as session:
        editing.change(session, id, replace(queries.find(session, id).draft, **fields), by="tester")  # type: ignore[arg-type]


def test_an_override_of_the_rule_outlives_a_deploy_that_changes_its_kind(database: Database, time: StillClock) -> None:
    id = deploy(database, sched_work=cron("0 3 * * *"))
    override(database, id, cron="0 5 * * *")

    deploy(database, sched_work=every(30))

    schedule = look(database, id)
    assert (schedule.cron, schedule.every_s, schedule.due_at) == ("0 5 * * *", None, at(2026, 1, 6, 5))
    assert (documents.condition(schedule), schedule.overridden) == (Condition.ACTIVE, ["cron", "every_s"])
    override(database, id, pause_after=3)
    with database.write() as session:
        editing.follow_code(session, id, by="tester")
    assert (look(database, id).cron, look(database, id).every_s) == (None, 30)


def test_an_override_of_another_kind_outlives_a_deploy(database: Database, time: StillClock) -> None:
    id = deploy(database, sched_work=cron("0 3 * * *"))
    override(database, id, cron=None, at=at(2026, 1, 7))

    deploy(database, sched_work=every(30))

    schedule = look(database, id)
    assert (schedule.cron, schedule.every_s, schedule.at) == (None, None, at(2026, 1, 7))


def test_an_override_of_the_expected_success_outlives_a_deploy_that_changes_its_kind(database: Database, time: StillClock) -> None:
    id = deploy(database, sched_work=cron("0 3 * * *", expect_success="06:30"))
    override(database, id, expect_by="07:00")

    deploy(database, sched_work=cron("0 3 * * *", expect_success=timedelta(minutes=45)))

    assert (look(database, id).expect_by, look(database, id).expect_within_s) == ("07:00", None)


def test_overridden_arguments_outlive_a_deploy_that_names_them(database: Database, time: StillClock, make: Maker) -> None:
    id = deploy(database, sched_work=cron("0 3 * * *", args=[3]))
    override(database, id, args=[5])

    deploy(database, sched_work=cron("0 3 * * *", kwargs={"number": 4}))

    assert (look(database, id).args, look(database, id).kwargs) == ([5], {})
    with database.write() as session:
        assert declared_schedules.judge(session, make) == 0


def test_a_deploy_whose_start_lies_after_an_overridden_end_changes_all_but_the_rule(database: Database, time: StillClock) -> None:
    id = deploy(database, sched_work=cron("0 3 * * *"))
    override(database, id, ends_at=at(2026, 2, 1))

    deploy(database, sched_work=cron("0 4 * * *", starts_at=at(2026, 3, 1), overlap="skip"))

    schedule = look(database, id)
    assert (schedule.cron, schedule.starts_at, schedule.ends_at, schedule.overlap) == ("0 3 * * *", None, at(2026, 2, 1), "skip")
    assert schedule.draft.rule.problem is None


def test_a_paused_schedule_that_has_left_the_code_cannot_be_resumed(database: Database, time: StillClock) -> None:
    """It ran for ever, shown as gone."""
    id = deploy(database, sched_work=every(60))
    with database.write() as session:
        editing.pause(session, id, by="tester")
    deploy(database)

    with pytest.raises(NotAllowed, match="no longer declared in code"), database.write() as session:
        editing.resume(session, id, by="tester")

    assert look(database, id).due_at is None
    deploy(database, sched_work=every(60))
    assert look(database, id).due_at is None  # its pause stays
    with database.write() as session:
        editing.resume(session, id, by="tester")
    assert look(database, id).due_at is not None


@pytest.mark.both_stores
def test_a_rule_with_a_problem_is_shown_as_broken_and_does_not_fire(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, cron="0 5 * * *")
    with database.write() as session:  # as a release before this one may have stored it
        session.get_one(Schedule, id).every_s = 30
        session.get_one(Schedule, id).due_at = session.get_one(Schedule, id).tick_at = time.now()
    time.forward(0.5)

    fire(database, id, make)

    assert jobs(database) == []
    assert said(database, id) == [("12:00:00", "broken")]
    assert documents.condition(look(database, id)) is Condition.BROKEN
