"""An open circuit breaker: probes spend no retries."""

from __future__ import annotations

from collections import Counter

import pytest

from src.jobs.core.states import State
from src.jobs.limits import breakers
from src.jobs.submit import stand_ins
from src.jobs.submit.requests import submission_of
from src.sql.clock import now
from src.sql.database import Database
from tests.actors.endings import call_remote, remote
from tests.harness.inline import Inline
from tests.harness.jobs import StillClock, look


@pytest.fixture
def _away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(remote, "is_away", True)


@pytest.mark.long
@pytest.mark.usefixtures("_away")
def test_an_outage_longer_than_all_retries_kills_no_job(
    inline: Inline, database: Database, time: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [call_remote.send(number).message_id for number in range(6)]
    for _ in range(10):
        inline.run_all()
        time.forward(61)
        inline.process._heartbeat()

    waiting = [look(database, id) for id in ids]
    assert Counter(job.state for job in waiting).keys() <= {State.RETRYING, State.SCHEDULED}
    assert sum(job.failures for job in waiting) == 2, "those that opened the breaker"
    assert any("no retry was spent" in (job.reason or "") for job in waiting)

    monkeypatch.setitem(remote, "is_away", False)
    for _ in range(3):
        inline.run_all()
        time.forward(61)
        inline.process._heartbeat()

    assert [look(database, id).state for id in ids] == [State.SUCCEEDED] * 6


def test_a_stand_in_says_nothing_about_an_open_breaker(
    inline: Inline, database: Database, time: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the result of another job, and does not call the actor."""
    done = inline.run(call_remote.send(1).message_id)
    monkeypatch.setitem(remote, "is_away", True)
    for number in range(2):
        inline.run(call_remote.send(number).message_id)
    time.forward(61)
    inline.process._heartbeat()
    following = call_remote.message(1)
    with database.write() as session:
        stand_ins.submit(session, submission_of(following), done.id)
        stand_ins.release(session)

    job = inline.run(following.message_id)

    assert (job.state, job.result) == (State.SUCCEEDED, done.result)
    with database.read() as session:
        [breaker] = breakers.listed(session)
    assert breaker.opened_at is not None
    assert breaker.probe_at is not None
    assert breaker.probe_at <= now(), "the probe stays due for a job that calls the actor"


@pytest.mark.usefixtures("_away")
def test_a_probe_that_fails_for_another_reason_is_a_failure_like_any(inline: Inline, database: Database, time: StillClock) -> None:
    for number in range(2):
        inline.run(call_remote.send(number).message_id)
    time.forward(61)
    inline.process._heartbeat()

    job = inline.run(call_remote.send(-1).message_id)

    assert (job.state, job.failures) == (State.RETRYING, 1)
