"""Forecasts on pages, by the API and at the terminal."""

from __future__ import annotations

import json

import pytest

from src.jobs.leases import workers
from src.operations.people.roles import Role
from src.sql.database import write
from tests.harness.jobs import claimed, ended, hired, settle, submitted
from tests.harness.site import Site, in_words


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
    words = in_words(site.browser(Role.VIEWER).get(f"/jobs/{waiting}").text)
    assert "Forecast Starts" in words
    assert "Next in line" in words
    assert "in 9 of 10 cases before" in in_words(site.browser(Role.VIEWER).get(f"/jobs/{waiting}/forecast").text)


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
    assert "Now 1 4" in page
    assert "After the change 1 4 10 min" in page
    assert "never: no worker" in in_words(browser.get("/queues/default/forecast?workers=0").text)
    assert browser.get("/queues/default/forecast?rate=often").status_code == 422
    assert "/queues/default/forecast" in browser.get("/queues/default").text
    assert browser.get("/actors/add/forecast").headers["Location"].endswith("/queues/default/forecast?actor=add")


def test_a_caller_of_some_actors_learns_no_numbers_of_others(site: Site, waiting: str) -> None:
    limited = site.program(Role.VIEWER, actors=["add"])

    assert limited.get(f"/api/v1/jobs/{waiting}/forecast").get_json()["place"] is None
    assert limited.get("/api/v1/queues/default/forecast").status_code == 403


def test_numbers_survive_json(site: Site, waiting: str) -> None:
    text = site.program(Role.VIEWER).get("/api/v1/queues/default/forecast?concurrency=none").text

    assert json.loads(text)["changed_threads"] == 4
