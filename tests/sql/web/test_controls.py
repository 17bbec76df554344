"""Pauses, limits and circuit breakers by API and page: their author, their effect, and waiting jobs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from src.actors import arithmetic
from src.jobs.core.models import Job
from src.jobs.leases import claims
from src.jobs.limits import breakers, overrides
from src.jobs.limits.breakers import CircuitBreaker
from src.jobs.read import queries
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import read, write
from tests.harness.jobs import hired
from tests.harness.site import Program, Site, in_words


def _fail(actor: str, times: int) -> None:
    with write() as session:
        for _ in range(times):
            breakers.note_failure(session, actor, limit=times, probe_every_s=60)


def _limits(program: Program, target: str) -> dict[str, dict[str, Any]]:
    listed = program.get("/api/v1/limits").get_json()["limits"]
    return {each["setting"]: each for each in listed if each["target"] == target}


def test_a_pause_is_the_reason_of_what_waits_and_is_ended(site: Site) -> None:
    program = site.program(Role.OPERATOR)
    id = program.submit("add", 1, 2)
    made = program.post("/api/v1/pauses", {"target": "actor:add", "for": "10m", "reason": "deploy"})
    assert made.status_code == 201
    assert program.get("/api/v1/pauses").get_json()["pauses"] == [made.get_json()]
    job = program.get(f"/api/v1/jobs/{id}").get_json()
    assert (job["state"], job["reason"], job["paused_by"]) == ("queued", "actor add is paused: deploy", "actor:add")
    actors = {each["name"]: each["paused_by"] for each in program.get("/api/v1/actors").get_json()["actors"]}
    assert (actors["add"], actors["mul"]) == ("actor:add", None)
    assert program.delete("/api/v1/pauses/actor:add").get_json() == {"target": "actor:add", "waited": 0}
    assert program.get("/api/v1/pauses").get_json()["pauses"] == []
    assert program.get(f"/api/v1/jobs/{id}").get_json()["reason"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"target": "actor:ad"}, "target"),
        ({"target": "queue"}, "target"),
        ({"target": "all:x"}, "target"),
        ({}, "target"),
        ({"target": "all", "for": "soon"}, "for"),
        ({"target": "all", "until": "2001-01-01T00:00:00Z"}, "until"),
        ({"target": "all", "for": 1, "until": "2090-01-01T00:00:00Z"}, "until"),
    ],
)
def test_a_senseless_pause_is_refused_with_its_field(site: Site, body: dict[str, Any], field: str) -> None:
    program = site.program()
    answer = program.post("/api/v1/pauses", body)
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, field)
    assert program.get("/api/v1/pauses").get_json()["pauses"] == []


def test_limits_tell_what_the_code_says_and_what_the_override_says(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(arithmetic.add.options, "rate_limit", "10/m")
    program = site.program(Role.OPERATOR)
    assert _limits(program, "actor:add").keys() == {"rate_limit"}
    program.post("/api/v1/limits", {"target": "actor:add", "rate_limit": "50/m", "concurrency": 3})
    told = _limits(program, "actor:add")
    assert (told["rate_limit"]["code"], told["rate_limit"]["override"]["value"], told["rate_limit"]["in_force"]) == ("10/m", "50/m", "50/m")
    assert (told["concurrency"]["code"], told["concurrency"]["in_force"]) == (None, 3)
    program.post("/api/v1/limits", {"target": "actor:add", "rate_limit": None})
    assert _limits(program, "actor:add")["rate_limit"]["in_force"] is None
    assert program.delete("/api/v1/limits/actor:add/rate_limit").status_code == 200
    told = _limits(program, "actor:add")
    assert (told["rate_limit"]["override"], told["rate_limit"]["in_force"]) == (None, "10/m")
    for body, field in (
        ({"target": "all", "rate_limit": "often"}, "rate_limit"),
        ({"target": "all", "concurrency": 0}, "concurrency"),
        ({"target": "all"}, "rate_limit"),
    ):
        answer = program.post("/api/v1/limits", body)
        assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, field)


def test_an_open_breaker_is_shown_and_reset_by_hand(site: Site) -> None:
    program, visit = site.program(Role.OPERATOR), site.browser(Role.OPERATOR)
    id = program.submit("add", 1, 2, delay="1h")
    _fail("add", 3)
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(waits_for=breakers.waits_for("add")))
    [breaker] = [each for each in program.get("/api/v1/breakers").get_json()["breakers"] if each["actor"] == "add"]
    assert (breaker["actor"], breaker["open"], breaker["failures"]) == ("add", True, 3)
    assert "circuit breaker of add is open after 3 failures in a row" in in_words(visit.get("/").text)
    assert all("3 failures in a row" in in_words(visit.get(path).text) for path in ("/queues", "/actors/add?tab=settings"))
    assert visit.fill_in("/actors/add?tab=settings", action="/controls/actor:add/reset").status_code == 303
    assert [each for each in program.get("/api/v1/breakers").get_json()["breakers"] if each["actor"] == "add"] == []
    assert "Circuit breaker closed; 1 job was waiting" in in_words(visit.get("/actors/add").text)


def test_a_breaker_says_after_how_many_failures_it_opens(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(arithmetic.add.options, "circuit_breaker", CircuitBreaker(failures=5))
    visit = site.browser(Role.OPERATOR)
    with write() as session:
        breakers.note_failure(session, "add", limit=5, probe_every_s=60)
    for path in ("/queues", "/actors/add?tab=settings"):
        assert "closed 1 failure in a row, opens at 5" in in_words(visit.get(path).text), path


def test_a_queue_and_everything_are_paused_resumed_and_limited_from_their_pages(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    assert visit.fill_in("/queues", action="/controls/all/pause", reason="<b>inventory</b>").location == "/queues"
    assert (
        visit.fill_in("/queues/default", action="/controls/queue:default/pause", reason="deploy", **{"for": "2h"}).location
        == "/queues/default"
    )
    overview = visit.get("/").text
    assert re.search(r"Everything is paused by user_\w+ ?: <b>inventory</b>", in_words(overview))
    assert "<b>inventory" not in overview
    assert re.search(r"Queue default is paused until \d\d:\d\d:\d\d by user_\w+ ?: deploy", in_words(visit.get("/queues").text))
    with read() as session:
        pauses = {pause.target: pause for pause in overrides.load(session).pauses(now())}
    assert pauses["all"].until is None
    until = pauses["queue:default"].until
    assert until is not None
    assert timedelta(minutes=119) < until - now() <= timedelta(hours=2)
    assert visit.fill_in("/", action="/controls/all/resume").location == "/"
    fields = visit.hidden("/queues/default", action="/controls/queue:default/resume")
    visit.client.post("/controls/queue:default/resume", data=fields)
    token = {"csrf_token": fields["form-csrf_token"]}
    for setting, do, value in (("rate_limit", "set", "7/m"), ("concurrency", "set", "2"), ("concurrency", "set", "many")):
        visit.client.post("/controls/queue:default/limit", data={**token, "setting": setting, "do": do, "value": value})
    words = in_words(visit.get("/queues/default").text)
    assert "Failed: Enter the number of jobs that may run at once" in words
    assert "overridden: 7/m" in words
    assert "overridden: 2" in words
    visit.client.post("/controls/queue:default/limit", data={**token, "setting": "rate_limit", "do": "follow"})
    with read() as session:
        assert [(each.setting, each.value) for each in overrides.load(session).overrides()] == [("concurrency", 2)]


@pytest.mark.both_stores
@pytest.mark.parametrize(("target", "waiting"), [("actor:add", 3), ("queue:default", 4), ("all", 4)])
def test_a_pause_counts_the_jobs_that_it_defers(site: Site, monkeypatch: pytest.MonkeyPatch, target: str, waiting: int) -> None:
    program, visit = site.program(), site.browser(Role.VIEWER)
    program.post("/api/v1/pauses", {"target": target})
    ids = [program.submit("add", number, 1) for number in range(3)]
    worker = hired(site.database)
    with write() as session:
        assert claims.admit(session, claims.claim(session, worker, [(id, 1) for id in ids]), {}) == []
    program.submit("mul", 1, 1)  # queued: no worker has deferred it yet
    assert f" {waiting} jobs wait" in in_words(visit.get("/").text)
    if target != "actor:add":
        assert f" {waiting} jobs wait" in in_words(visit.get("/queues/default").text)
        # To count a limited caller's own among them, all would have to be read.
        assert "jobs wait" not in in_words(site.browser(Role.VIEWER, ["add"]).get("/").text)
    monkeypatch.setattr(queries, "MOST_COUNTED", 2)
    assert f" {waiting - 1}+ jobs wait" in in_words(visit.get("/").text)


def test_a_viewer_sees_overrides_and_no_button(site: Site) -> None:
    site.program(Role.OPERATOR).post("/api/v1/pauses", {"target": "all", "reason": "audit"})
    visit = site.browser(Role.SUBMITTER)
    for path in ("/", "/queues", "/queues/default", "/actors/add"):
        text = visit.get(path).text
        assert re.search(r"Everything is paused by \w+ ?: audit", in_words(text)), path
        assert "/controls/" not in text, path
    assert visit.get("/queues/nobody-has-this").status_code == 404
