"""Forecasts on pages, by the API and at the terminal."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.jobs.leases import workers
from src.operations.format.instants import write_later
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import write
from tests.harness.jobs import claimed, ended, hired, settle, submitted
from tests.harness.site import Site, Stream, in_words


@pytest.fixture
def waiting(site: Site) -> str:
    """The id of a job that waits, of an actor with forty jobs that took a second."""
    worker = hired(site.database, actors=("add",))
    for number in range(40):
        end = ended(claimed(site.database, worker, number))
        end.started_us -= 1_000_000
        assert settle(site.database, worker, end)
    with write() as session:
        workers.heartbeat(session, worker, busy=0, frontier={})
    return submitted(site.database, 1, 2).id


def test_page_and_api_tell_place_start_and_end(site: Site, waiting: str) -> None:
    document = site.program(Role.VIEWER).get(f"/api/v1/jobs/{waiting}/forecast").get_json()

    assert (document["place"], document["paused"], document["unknown"]) == (1, False, None)
    assert document["starts_p50"] <= document["starts_p90"] <= document["ends_p90"]
    visit = site.browser(Role.VIEWER)
    words = in_words(visit.get(f"/jobs/{waiting}").text)
    assert "Forecast Starts around" in words
    assert "Next in line" in words
    assert "(90 %: by" in in_words(visit.get(f"/jobs/{waiting}/forecast").text)


def test_a_pause_is_told_instead_of_a_time(site: Site, waiting: str) -> None:
    program = site.program()
    program.post("/api/v1/pauses", {"target": "queue:default", "reason": "stocktaking"})

    document = program.get(f"/api/v1/jobs/{waiting}/forecast").get_json()

    assert document["paused"] is True
    assert document["ends_p90"] is None
    assert "Paused:" in in_words(site.browser(Role.VIEWER).get(f"/jobs/{waiting}").text)


def test_an_ended_job_has_no_forecast(site: Site) -> None:
    worker = hired(site.database)
    one = claimed(site.database, worker)
    settle(site.database, worker, ended(one))

    assert site.program(Role.VIEWER).get(f"/api/v1/jobs/{one.id}/forecast").get_json()["unknown"] == "it has ended"
    assert "Forecast" not in in_words(site.browser(Role.VIEWER).get(f"/jobs/{one.id}").text)


def test_what_if_shows_the_present_and_the_changed_answer(site: Site, waiting: str) -> None:
    program = site.program(Role.VIEWER)

    document = program.get("/api/v1/queues/default/forecast?workers=4&rate=10/s").get_json()
    assert document["waiting"] == 1
    assert document["changed_threads"] == 16
    assert document["present"]["cleared_p50"] is not None
    assert document["changed"]["cleared_p50"] is not None
    assert program.get("/api/v1/queues/default/forecast").get_json()["changed"] is None
    assert program.get("/api/v1/queues/default/forecast?rate=often").status_code == 422
    assert program.get("/api/v1/queues/default/forecast?workers=some").status_code == 422
    assert program.get("/api/v1/queues/nowhere/forecast").status_code == 404

    browser = site.browser(Role.VIEWER)
    page = in_words(browser.get("/queues/default/forecast?pause=10m").text)
    assert "Drained in 90 % within Bottleneck" in page
    assert "Now 1 4" in page
    assert "jobs/min." in page.partition("Arrival rate: ")[2]
    assert re.search(r"After the change 1 4 1[01] min", page)
    assert "never: no worker" in in_words(browser.get("/queues/default/forecast?workers=0").text)
    assert browser.get("/queues/default/forecast?rate=often").status_code == 422
    queue = browser.get("/queues/default").text
    assert "/queues/default/forecast" in queue
    assert '<th scope="col" class="number">Waiting</th>' in queue.partition("Next in line")[2]
    assert browser.get("/actors/add/forecast").headers["Location"].endswith("/queues/default/forecast?actor=add")


def test_a_caller_of_some_actors_learns_no_numbers_of_others(site: Site, waiting: str) -> None:
    limited = site.program(Role.VIEWER, actors=["add"])

    assert limited.get(f"/api/v1/jobs/{waiting}/forecast").get_json()["place"] is None
    assert limited.get("/api/v1/queues/default/forecast").status_code == 403


def test_numbers_survive_json(site: Site, waiting: str) -> None:
    text = site.program(Role.VIEWER).get("/api/v1/queues/default/forecast?concurrency=none").text

    assert json.loads(text)["changed_threads"] == 4


def test_a_backlog_that_outlasts_a_hundred_years_is_forecast_at_their_end(site: Site, waiting: str) -> None:
    rate = "1/99999 hours"
    for number in range(100):
        submitted(site.database, number)
    with write() as session:
        session.execute(update(Job).values(created_at=now() - timedelta(hours=1)))  # so that none arrives any more
    answer = site.program().get(f"/api/v1/queues/default/forecast?rate={rate}")
    assert answer.status_code == 200
    assert answer.get_json()["changed"]["cleared_p90"] < "2200"
    assert site.browser().get(f"/queues/default/forecast?rate={rate}").status_code == 200


@pytest.mark.parametrize("rate", ["1/9999999999d", "1/110 years"])
def test_a_limit_of_more_than_a_hundred_years_is_refused_wherever_it_is_given(site: Site, waiting: str, rate: str) -> None:
    answer = site.program().get(f"/api/v1/queues/default/forecast?rate={rate}")
    assert (answer.status_code, "more than a hundred years" in answer.text) == (422, True)
    answer = site.program().post("/api/v1/limits", {"target": "queue:default", "rate_limit": rate})
    assert (answer.status_code, "more than a hundred years" in answer.text) == (422, True)


def test_no_forecast_is_beyond_the_calendar() -> None:
    assert write_later(now(), 1e300) < "2200"


def test_a_stream_sends_the_forecast_when_the_state_changes_and_not_with_each_progress(site: Site, waiting: str) -> None:
    visit = site.browser(Role.VIEWER)
    with Stream(visit, f"/jobs/{waiting}/events") as stream:
        assert "Next in line" in in_words(stream.message())
        _change(waiting, state=State.RUNNING, attempt=1, started_at=now())
        begun = stream.message()
        assert 'hx-target="#forecast"' in begun
        assert "Next in line" not in in_words(begun)
        _change(waiting, progress_done=1, progress_total=2, progress_message="half")
        assert 'hx-target="#forecast"' not in stream.message()
        _change(waiting, state=State.SUCCEEDED, result=3, finished_at=now())
        *_, last, _done = stream.rest()
        assert 'hx-target="#forecast"' in last
        assert "Forecast" not in in_words(last)


def _change(id: str, **values: Any) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))
