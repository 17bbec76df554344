"""Overlap policies: a tick while a job of an earlier one waits or runs."""

from __future__ import annotations

import pytest

from src.actors.notifications import fleet_watch
from src.jobs.alerts import alerts
from src.jobs.alerts.models import AlertKind
from src.jobs.control import actions
from src.jobs.core.envelopes import Envelope
from src.jobs.core.states import State
from src.jobs.submit.submission import submit
from src.schedules.rows.makers import Maker
from src.settings import get_settings
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, ended, hired, settle
from tests.harness.schedules import created, end, fire, follow, history, jobs, run, said

pytestmark = pytest.mark.both_stores


def ticks(database: Database, time: StillClock, id: int, make: Maker, number: int) -> None:
    for _ in range(number):
        time.forward(60)
        fire(database, id, make)


def test_allow_lets_them_run_beside_each_other(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, overlap="allow")

    ticks(database, time, id, make, 3)

    assert [job.state for job in jobs(database)] == [State.QUEUED] * 3


def test_skip_runs_nothing_while_one_is_there(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, overlap="skip")

    ticks(database, time, id, make, 2)
    end(database, jobs(database)[0].id)
    follow(make)
    ticks(database, time, id, make, 1)

    assert [state for _, state in said(database, id)] == ["succeeded", "skipped", "submitted"]
    assert jobs(database)[0].id in (history(database, id)[1].reason or "")


def test_queue_lets_them_run_one_after_the_other(database: Database, time: StillClock, make: Maker, published: list[Envelope]) -> None:
    id = created(database, overlap="queue")
    ticks(database, time, id, make, 3)
    first, second, third = (job.id for job in jobs(database))
    follow(make)
    assert [job.state for job in jobs(database)] == [State.QUEUED, State.SCHEDULED, State.SCHEDULED]

    end(database, first)
    follow(make)
    follow(make)

    assert [job.state for job in jobs(database)] == [State.SUCCEEDED, State.QUEUED, State.SCHEDULED]
    end(database, second)
    follow(make)
    assert [envelope.id for envelope in published] == [first, second, third]


def test_cancel_takes_back_what_waits_and_stops_what_runs(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, overlap="cancel")
    ticks(database, time, id, make, 2)
    first, second = jobs(database)
    assert (first.state, second.state) == (State.CANCELLED, State.QUEUED)

    run(database, second.id)
    ticks(database, time, id, make, 1)

    _, second, third = jobs(database)
    assert (second.state, second.cancel_requested, third.state) == (State.RUNNING, True, State.SCHEDULED)
    assert second.id in (third.reason or "")


def test_cancel_lets_the_next_job_of_a_unique_actor_wait_for_the_end_of_the_one_that_runs(
    database: Database, time: StillClock, make: Maker
) -> None:
    """The job that was being cancelled stood for the new tick too, so neither ran."""
    id = created(database, actor="sched_alone", overlap="cancel")
    ticks(database, time, id, make, 1)
    worker = hired(database)
    claimed = claim(database, worker, jobs(database)[0].id)
    assert claimed is not None

    ticks(database, time, id, make, 2)
    follow(make)

    assert [(job.state, job.cancel_requested) for job in jobs(database)] == [
        (State.RUNNING, True), (State.CANCELLED, False), (State.SCHEDULED, False),
    ]  # fmt: skip
    third = jobs(database)[2].id
    with database.write() as session:
        assert submit(session, make("sched_alone", [], {}, {})).id == third  # still one of its key
    assert settle(database, worker, ended(claimed, State.CANCELLED))
    follow(make)
    follow(make)
    assert [job.state for job in jobs(database)] == [State.CANCELLED, State.CANCELLED, State.QUEUED]
    assert [tick.job_id for tick in history(database, id)] == [job.id for job in jobs(database)]


@pytest.mark.parametrize(
    ("overlap", "states"),
    [
        ("skip", [State.QUEUED]),
        ("queue", [State.QUEUED, State.SCHEDULED]),
        ("cancel", [State.CANCELLED, State.QUEUED]),
    ],
)
def test_a_job_that_an_operator_has_just_retried_is_open(
    database: Database, time: StillClock, make: Maker, overlap: str, states: list[State]
) -> None:
    """It ran beside the next tick's job until the follower had looked for retried jobs."""
    id = created(database, overlap=overlap)
    ticks(database, time, id, make, 1)
    end(database, jobs(database)[0].id, State.DEAD)
    follow(make)
    assert said(database, id) == [("12:01:00", "dead")]
    with database.write() as session:
        actions.retry(session, jobs(database)[0].id)

    ticks(database, time, id, make, 1)

    assert [job.state for job in jobs(database)] == states


def test_queue_lets_the_job_of_a_unique_actor_stand_for_later_ticks(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, actor="sched_alone", overlap="queue")
    ticks(database, time, id, make, 1)
    run(database, jobs(database)[0].id)

    ticks(database, time, id, make, 2)
    follow(make)

    [job] = jobs(database)
    assert (job.state, job.cancel_requested) == (State.RUNNING, False)
    assert {tick.job_id for tick in history(database, id)} == {job.id}


def test_ticks_of_a_catch_up_queue_up_and_cancel_nothing(database: Database, time: StillClock, make: Maker) -> None:
    id = created(database, overlap="cancel", missed="all")
    time.forward(3 * 60 + 30)

    fire(database, id, make)

    assert [job.state for job in jobs(database)] == [State.QUEUED, State.SCHEDULED, State.SCHEDULED]


@pytest.mark.parametrize("state", [State.RETRYING, State.HELD])
def test_a_line_behind_a_job_that_waits_for_a_retry_or_a_person_is_an_alert(
    database: Database, time: StillClock, make: Maker, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBOARD_ALERT_LATE", "5")
    get_settings.cache_clear()
    id = created(database, overlap="queue")
    ticks(database, time, id, make, 2)
    first = jobs(database)[0].id
    follow(make)
    for _ in range(6):  # the first one may run for long: no alert
        ticks(database, time, id, make, 1)
        fleet_watch.check()
    assert _late(database) == []
    end(database, first, state, due_us=int(time.forward(0).timestamp() * 1e6) + 3_600_000_000)
    for _ in range(2):
        ticks(database, time, id, make, 1)
        fleet_watch.check()
    [text] = _late(database)
    assert text.endswith(f"late: it waits for job {first} of an earlier tick, which is {state}")


def _late(database: Database) -> list[str]:
    with database.read() as session:
        return [alert.text for alert in alerts.current(session) if alert.kind is AlertKind.LATE]


@pytest.mark.parametrize("state", [State.RETRYING, State.HELD])
def test_skip_goes_on_while_an_earlier_job_waits_for_a_retry_or_a_person(
    database: Database, time: StillClock, make: Maker, state: State
) -> None:
    """One failed run with a long retry once silenced a minutely schedule for hours."""
    id = created(database, overlap="skip")
    ticks(database, time, id, make, 1)
    end(database, jobs(database)[0].id, state, due_us=int(time.forward(0).timestamp() * 1e6) + 3_600_000_000)

    ticks(database, time, id, make, 2)

    assert [tick for _, tick in said(database, id)] == ["submitted", "submitted", "skipped"]
    assert "is queued" in (history(database, id)[2].reason or "")
