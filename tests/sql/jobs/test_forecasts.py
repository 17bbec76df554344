"""Forecasts from SQL: place in line, reasons why nothing is known, records and their judgement, and backlogs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from src.jobs.control import actions
from src.jobs.core.envelopes import Envelope
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.jobs.forecasts import forecast, lines, records
from src.jobs.forecasts.backlogs import Change, what_if
from src.jobs.forecasts.forecast import Forecaster, JobForecast
from src.jobs.forecasts.model import LEAST
from src.jobs.forecasts.models import Forecast
from src.jobs.leases import claims, workers
from src.jobs.limits import overrides, rates
from src.jobs.limits.policies import Policy
from src.jobs.relay.confirmations import mark_published
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import StillClock, claimed, ended, hired, look, settle, submitted

pytestmark = pytest.mark.both_stores


@pytest.fixture
def worker(database: Database, time: StillClock) -> int:
    return hired(database)


def done(database: Database, time: StillClock, worker: int, count: int, seconds: float = 1.0) -> None:
    """Let so many jobs run one after the other."""
    for number in range(count):
        one = claimed(database, worker, number)
        end = ended(one)
        time.forward(seconds)
        end.finished_us += int(seconds * 1_000_000)
        assert settle(database, worker, end)
        revive(database, worker)


def revive(database: Database, worker: int) -> None:
    with database.write() as session:
        assert workers.heartbeat(session, worker, busy=0, frontier={})


def queued(database: Database, time: StillClock, published: list[Envelope], count: int, **how: Any) -> list[str]:
    """Submit jobs whose messages RabbitMQ has confirmed, a millisecond apart."""
    ids = []
    for number in range(count):
        published.clear()
        ids.append(submitted(database, number, **how).id)
        time.forward(0.001)
        with database.write() as session:
            mark_published(session, published)
    return ids


def of(database: Database, id: str, policies: dict[str, Policy] | None = None) -> JobForecast:
    with database.read() as session:
        job = session.execute(select(Job).where(Job.id == id)).scalar_one()
        return Forecaster(session, policies or {}).of(job)


def test_the_place_is_that_of_the_queue_and_priorities_go_before(
    database: Database, time: StillClock, worker: int, published: list[Envelope]
) -> None:
    done(database, time, worker, LEAST)
    ids = queued(database, time, published, 12)
    [urgent] = queued(database, time, published, 1, priority=9)

    assert [of(database, id).standing.ahead for id in (ids[0], ids[5], urgent)] == [1, 6, 0]
    first, last = of(database, ids[0]).prediction, of(database, ids[-1]).prediction
    assert first is not None
    assert last is not None
    assert first.end_p50 < last.end_p50 <= last.end_p90
    assert 1 < last.end_p90 < 20  # twelve seconds of work for four threads


def test_too_few_jobs_a_pause_and_no_worker_make_it_unknown(
    database: Database, time: StillClock, worker: int, published: list[Envelope]
) -> None:
    done(database, time, worker, LEAST - 1)
    [id] = queued(database, time, published, 1)
    assert of(database, id).unknown == "fewer than 30 recent jobs of add are known"

    done(database, time, worker, 1)
    assert of(database, id).unknown is None

    with database.write() as session:
        overrides.pause(session, "queue", "default", reason="stocktaking")
    assert of(database, id).unknown == "queue default is paused until it is resumed: stocktaking"
    assert of(database, id).standing.paused
    with database.write() as session:
        overrides.pause(session, "queue", "default", until=now() + timedelta(seconds=100))
    predicted = of(database, id).prediction
    assert predicted is not None
    assert predicted.start_p50 > 100

    with database.write() as session:
        overrides.resume(session, "queue", "default")
    time.forward(3_600)
    assert of(database, id).unknown == "no living worker consumes queue default"


def test_a_declared_rate_limit_decides(database: Database, time: StillClock, worker: int, published: list[Envelope]) -> None:
    done(database, time, worker, LEAST)
    ids = queued(database, time, published, 11)
    limited = of(database, ids[-1], {"add": Policy(rates=rates.parse("6/m"))}).prediction
    free = of(database, ids[-1]).prediction

    assert limited is not None
    assert free is not None
    assert limited.start_p50 == pytest.approx(101, abs=8)  # ten slots, ten seconds apart
    assert free.start_p50 < 10


def test_samples_are_recorded_judged_once_and_give_the_hit_rate(
    database: Database, time: StillClock, worker: int, published: list[Envelope]
) -> None:
    done(database, time, worker, LEAST)
    [id, cancelled] = queued(database, time, published, 2)
    with database.write() as session:
        assert forecast.sample(session, {}) == 2

    with database.write() as session:
        [one] = claims.claim(session, worker, [(id, 1)])
    end = ended(one)
    time.forward(2)
    end.finished_us += 2_000_000
    settle(database, worker, end)
    with database.write() as session:
        actions.cancel(session, cancelled)
        records.judge(session)
        records.prune(session)

    with database.read() as session:
        [row] = session.execute(select(Forecast)).scalars()
        assert (row.job_seq, row.took_us) == (look(database, id).seq, 2_000_000)
        assert records.hit_rate(session, "add").judged == 1
        assert records.hit_rate(session, "add").right == int(row.p90_us >= 2_000_000)
        assert [each.took for each in records.judged(session, "add")] == [2.0]


def test_a_backlog_is_gone_in_half_the_time_with_twice_the_rate_or_threads(
    database: Database, time: StillClock, worker: int, published: list[Envelope]
) -> None:
    done(database, time, worker, LEAST)
    queued(database, time, published, 60)

    def cleared(**change: object) -> float:
        with database.read() as session:
            found = what_if(Forecaster(session, {}), "default", Change(**change, arrivals=False))  # type: ignore[arg-type]
        assert found.changed is not None
        assert found.changed.p50 is not None
        assert found.present.waiting == 60
        return found.changed.p50

    assert cleared(rate="30/m") == pytest.approx(120, rel=0.1)
    assert cleared(rate="60/m") == pytest.approx(60, rel=0.1)
    assert cleared(workers=2) == pytest.approx(cleared(workers=1) / 2, rel=0.1)
    assert cleared(pause_s=600.0) > 600
    with database.read() as session:
        nobody = what_if(Forecaster(session, {}), "default", Change(workers=0)).changed
    assert nobody is not None
    assert nobody.reason == "no worker consumes this queue"


def test_a_running_job_has_no_place_and_a_held_one_no_forecast(database: Database, time: StillClock, worker: int) -> None:
    done(database, time, worker, LEAST)
    one = claimed(database, worker)
    time.forward(0.5)

    found = of(database, one.id)
    assert found.standing.ahead is None
    assert found.prediction is not None
    assert 0 < found.prediction.end_p50 < 5

    settle(database, worker, ended(one, State.HELD))
    assert of(database, one.id).unknown == "it is held until an operator or a deploy decides"


def test_under_a_limit_by_key_only_the_jobs_of_its_key_are_before_it(
    database: Database, time: StillClock, worker: int, published: list[Envelope], monkeypatch: pytest.MonkeyPatch
) -> None:
    done(database, time, worker, LEAST)
    policies = {"add": Policy(rates=rates.parse("1/m"), rate_key=lambda number: "odd" if number % 2 else "even")}
    ids = queued(database, time, published, 9)
    last = of(database, ids[-1], policies)
    assert last.prediction is not None
    assert last.prediction.start_p50 == pytest.approx(4 * 60, rel=0.1)  # of nine jobs four are even and before it

    with database.write() as session:
        claims.admit(session, claims.claim(session, worker, [(id, 1) for id in ids]), policies)
    waiting = [look(database, id) for id in ids[2:]]
    assert {each.waits_for for each in waiting} == {"rate:actor:add"}
    places = [of(database, each.id, policies).standing.ahead for each in waiting]
    assert places == [1, 1, 2, 2, 3, 3, 4]
    ends = [of(database, each.id, policies).prediction for each in waiting]
    assert [round(each.start_p50 / 60) for each in ends if each] == [1, 1, 2, 2, 3, 3, 4]

    monkeypatch.setattr(lines, "KEYED", 3)
    assert "more than 3 jobs wait" in str(of(database, ids[-1], policies).unknown)


def test_a_job_without_a_key_does_not_wait_for_those_of_a_limit_by_key(
    database: Database, time: StillClock, worker: int, published: list[Envelope]
) -> None:
    done(database, time, worker, LEAST)
    policies = {
        "add": Policy(rates=rates.parse("1/m"), rate_key=lambda number: None, concurrency=1, concurrency_key=lambda number: None),
    }
    ids = queued(database, time, published, 9)

    free, keyed = of(database, ids[-1]).prediction, of(database, ids[-1], policies).prediction

    assert free is not None
    assert keyed is not None
    assert keyed.start_p50 == pytest.approx(free.start_p50)


def test_under_a_concurrency_limit_by_key_a_queued_job_waits_for_those_of_its_key(
    database: Database, time: StillClock, worker: int, published: list[Envelope]
) -> None:
    done(database, time, worker, LEAST, seconds=10)
    policies = {"add": Policy(concurrency=1, concurrency_key=lambda number: number % 2)}
    ids = queued(database, time, published, 8)
    plain, keyed = of(database, ids[-1]).prediction, of(database, ids[-1], policies).prediction
    assert plain is not None
    assert keyed is not None
    assert keyed.start_p50 == pytest.approx(3 * 10, rel=0.3)
    assert keyed.start_p50 >= plain.start_p50
