"""Overrides that change while jobs wait for them: no job is left behind, and the new setting applies."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from src.jobs import State
from src.jobs.leases import claims
from src.jobs.limits import breakers, overrides, rates
from src.jobs.limits.policies import Policy
from src.jobs.upkeep import retention
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import StillClock, hired, look, submitted
from tests.harness.stores import only_on
from tests.sql.jobs.test_admission import at_admission, queued_again

pytestmark = pytest.mark.both_stores


def test_a_resume_at_the_moment_a_job_begins_to_wait_leaves_it_not_behind(database: Database) -> None:
    worker, id = hired(database), submitted(database).id
    with database.write() as session:
        overrides.pause(session, "all")

    def resume() -> None:
        with database.write() as session:
            overrides.resume(session, "all")

    person = threading.Thread(target=resume)
    with database.write() as session:
        claimed = claims.claim(session, worker, [(id, 1)])
        assert claims.admit(session, claimed, {}) == []
        person.start()
        person.join(0.3)
        assert person.is_alive()  # it waits for this transaction, whose job it would not see
    person.join(10)

    assert queued_again(database) == [(id, 1)]


@only_on("postgresql")  # SQLite has one writer: no pause is lifted during a claim
def test_a_pause_that_ends_during_a_claim_defers_no_job(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, id = hired(database), submitted(database).id
    with database.write() as session:
        overrides.pause(session, "actor", "add")
    hold_still = overrides.hold_still

    def meanwhile_resumed(session: object) -> overrides.Controls:
        with database.write() as other:
            overrides.resume(other, "actor", "add")
        return hold_still(session)  # type: ignore[arg-type]

    monkeypatch.setattr(overrides, "hold_still", meanwhile_resumed)

    assert [job.id for job in at_admission(database, worker, [(id, 1)])] == [id]


def test_a_pause_whose_end_is_moved_moves_who_waits_for_it(database: Database, time: StillClock) -> None:
    worker, id = hired(database), submitted(database).id
    with database.write() as session:
        overrides.pause(session, "queue", "default", until=now() + timedelta(hours=3))
    assert at_admission(database, worker, [(id, 1)]) == []

    with database.write() as session:
        overrides.pause(session, "queue", "default", until=now() + timedelta(seconds=5), reason="nearly done")

    assert look(database, id).reason == "queue default is paused: nearly done"
    time.forward(6)
    assert queued_again(database) == [(id, 1)]
    with database.write() as session:
        retention.tidy(session)
        assert not overrides.load(session)


def test_jobs_far_down_the_line_of_a_limit_go_on_when_it_is_lifted(database: Database, time: StillClock) -> None:
    worker = hired(database)
    ids = [submitted(database).id for _ in range(5)]
    policy = Policy(rates=rates.parse("1/h"))
    assert len(at_admission(database, worker, [(id, 1) for id in ids], add=policy)) == 1
    waiting = [look(database, id) for id in ids if look(database, id).state is State.SCHEDULED]
    assert {job.reason for job in waiting} == {"waits for its turn under the rate limit of actor add, 1 per hour"}
    assert max(job.due_at for job in waiting if job.due_at) > now() + timedelta(hours=3)

    with database.write() as session:
        overrides.set_rate_limit(session, "actor", "add", None)

    again = queued_again(database)
    assert len(again) == 4
    assert len(at_admission(database, worker, again, add=policy)) == 4


def test_who_waits_for_an_overridden_limit_waits_by_the_codes_when_that_holds_again(database: Database, time: StillClock) -> None:
    worker = hired(database)
    ids = [submitted(database).id for _ in range(3)]
    with database.write() as session:
        overrides.set_rate_limit(session, "queue", "default", "1/h")
    assert len(at_admission(database, worker, [(id, 1) for id in ids])) == 1

    with database.write() as session:
        overrides.follow_code(session, "queue", "default", "rate_limit")

    assert len(at_admission(database, worker, queued_again(database))) == 2


def test_a_breaker_that_is_reset_lets_its_jobs_go_on(database: Database, time: StillClock) -> None:
    worker, id = hired(database), submitted(database).id
    with database.write() as session:
        breakers.note_failure(session, "add", limit=1, probe_every_s=3600)
    assert at_admission(database, worker, [(id, 1)], add=Policy(breaker=True, probe_every_s=3600)) == []

    with database.write() as session:
        assert [row.actor for row in breakers.listed(session)] == ["add"]
        assert breakers.reset(session, "add") == 1

    again = queued_again(database)
    assert [job.id for job in at_admission(database, worker, again, add=Policy(breaker=True))] == [id]
