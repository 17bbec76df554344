"""The page of a job: pace, reasons with links, timeline, and the chosen part of its log."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from src.jobs import State
from src.jobs.attempts import attempt_logs
from src.jobs.attempts.log_lines import Line
from src.jobs.core.models import Job
from src.jobs.limits import overrides
from src.jobs.read import queries
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.columns import to_microseconds
from src.sql.database import write
from src.web.render.graphics import timelines
from tests.harness.jobs import claim, claimed, ended, hired, settle
from tests.harness.site import Site, in_words


def _change(id: str, **values: Any) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))


def _say(id: str, attempt: int, *levels: str) -> None:
    with write() as session:
        job = queries.find(session, id)
        assert job is not None
        lines = [Line(number, to_microseconds(now()), level, f"{level} of attempt {attempt}") for number, level in enumerate(levels, 1)]
        attempt_logs.write(session, attempt_logs.rows(job.seq, attempt, lines))


def test_a_running_job_says_how_long_it_runs_how_fast_and_how_long_it_still_takes(site: Site) -> None:
    program, visit = site.program(), site.browser()
    id = program.submit("add", 1, 2)
    begun = now() - timedelta(seconds=100)
    _change(id, state=State.RUNNING, attempt=1, created_at=begun, started_at=begun, progress_done=300, progress_total=900)
    words = in_words(visit.get(f"/jobs/{id}").text)
    assert re.search(r"Running for 1 min 4\d s [23]\.\d/s about 3 min [23]0 s left|Running for 1 min 4\d s 3\.0/s about 3 min", words), (
        words
    )
    pace = program.get(f"/api/v1/jobs/{id}/timeline").get_json()["pace"]
    assert pace["elapsed_s"] >= 100
    assert pace["left_s"] == pytest.approx(2 * pace["elapsed_s"])
    clock = visit.get(f"/jobs/{id}/live?view=clock").text
    assert re.findall(r'hx-target="#(\w+)"', clock) == ["because", "pace", "timeline"]


@pytest.mark.both_stores
def test_the_timeline_shows_waits_attempts_and_past_pauses(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    program, visit, worker = site.program(), site.browser(), hired(site.database)
    one = claimed(site.database, worker)
    settle(site.database, worker, ended(one, State.RETRYING, error="ValueError: no"))
    again = claim(site.database, worker, one.id, 2)
    assert again is None  # not due yet
    assert program.post("/api/v1/pauses", {"target": "queue:default", "reason": "a deploy"}).status_code == 201
    waiting = program.submit("add", 1, 2)
    assert program.delete("/api/v1/pauses/queue:default").status_code == 200
    _change(waiting, created_at=now() - timedelta(minutes=5))

    kinds = [each["kind"] for each in program.get(f"/api/v1/jobs/{one.id}/timeline").get_json()["periods"]]
    assert kinds[-3:] == ["failed", "back-off", "due"]
    page = visit.get(f"/jobs/{one.id}").text
    assert re.findall(r'class="lane"', page) == ['class="lane"'] * 2
    assert 'class="piece failed"' in page
    assert 'class="present"' in page
    assert "until it is due" in in_words(page)
    with monkeypatch.context() as patch:
        patch.setattr(timelines, "MOST_LANES", 1)
        assert "Only the newest attempts are drawn." in in_words(visit.get(f"/jobs/{one.id}").text)
    kinds = [each["kind"] for each in program.get(f"/api/v1/jobs/{waiting}/timeline").get_json()["periods"]]
    assert kinds == ["queued", "paused", "queued"]
    assert 'class="wait paused"' in visit.get(f"/jobs/{waiting}").text


def test_each_reason_links_to_what_it_names(site: Site) -> None:
    program, visit = site.program(), site.browser()
    workflow = program.post(
        "/api/v1/workflows", {"steps": [{"name": "a", "actor": "add", "args": [1, 2]}, {"actor": "add", "args": [1, {"$result_of": "a"}]}]}
    ).get_json()
    waiting = workflow["jobs"]["add"]
    with site.database.write() as session:
        overrides.pause(session, "actor", "add", by="ada")
        overrides.pause(session, "all", by="ada")
    named = program.get(f"/api/v1/jobs/{waiting}").get_json()["waiting_on"]
    assert named == [
        {"kind": "queues", "name": ""},
        {"kind": "actor", "name": "add"},
        {"kind": "job", "name": workflow["jobs"]["a"]},
        {"kind": "workflow", "name": workflow["id"]},
    ]
    queued = program.get(f"/api/v1/jobs/{workflow['jobs']['a']}").get_json()["waiting_on"]
    assert {each["kind"] for each in queued} == {"queues", "actor", "alerts", "workers"}
    for id in workflow["jobs"].values():
        because = visit.get(f"/jobs/{id}").text.partition('id="because"')[2].partition('id="pace"')[0]
        links = re.findall(r'href="([^"]+)"', because)
        assert len(links) >= 4
        assert {visit.get(link).status_code for link in links} == {200}


def test_the_log_is_chosen_by_attempt_and_level_and_downloaded(site: Site) -> None:
    program, visit = site.program(), site.browser()
    id = program.submit("add", 1, 2)
    _change(id, state=State.RUNNING, attempt=2, started_at=now())
    _say(id, 1, "debug", "stdout", "warning", "error", "stack")
    _say(id, 2, "info", "debug")

    def said(query: str) -> list[str]:
        return re.findall(r'class="said">([^<]+)<', visit.get(f"/jobs/{id}?{query}").text)

    assert len(said("")) == len(said("level=anything&attempt=x")) == 7
    assert said("attempt=2") == ["info of attempt 2", "debug of attempt 2"]
    assert said("level=info&attempt=1") == ["stdout of attempt 1", "warning of attempt 1", "error of attempt 1", "stack of attempt 1"]
    assert said("level=warning") == ["warning of attempt 1", "error of attempt 1"]
    assert said("level=error&attempt=2") == []
    page = visit.get(f"/jobs/{id}?level=warning&attempt=1").text
    assert f"/jobs/{id}/events?after=1.4&amp;attempt=1&amp;level=warning" in page
    assert f'href="/jobs/{id}/attempts/1/log" download=' in page
    assert len(visit.get(f"/jobs/{id}/log").text.splitlines()) == 7


def test_a_stack_is_asked_for_and_its_page_opens_at_the_log(site: Site) -> None:
    visit, program = site.browser(Role.OPERATOR), site.program()
    one = claimed(site.database, hired(site.database))
    assert program.get(f"/api/v1/jobs/{one.id}").get_json()["state"] == "running"
    answer = visit.fill_in(f"/jobs/{one.id}", action=f"/jobs/{one.id}/stack")
    assert (answer.status_code, answer.location) == (303, f"/jobs/{one.id}#log")
    assert "Stack trace requested: it appears in the log" in in_words(visit.get(f"/jobs/{one.id}").text)
