"""Workflows by API and page: accepted requests, their state, and actions on all of their steps."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from sqlalchemy import update

from src.jobs import State
from src.jobs.control import workflows
from src.jobs.core.models import Job
from src.operations.people import caller
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import read
from src.up import gunicorn_conf
from src.web.live import job_watcher, workflow_stream
from src.web.render.graphics.workflow_graph import STEP_LIMIT, draw
from tests.harness.site import Program, Site, Stream, in_words
from tests.harness.waiting import eventually
from tests.harness.workflows import Hand

DAG: dict[str, Any] = {
    "name": "nightly",
    "steps": [
        {"name": "a", "actor": "add", "args": [1, "2"]},
        {"name": "b", "actor": "mul", "args": [{"$result_of": "a"}, 3]},
        {"name": "c", "actor": "divide", "args": [1, 0], "after": "a"},
        {"name": "d", "actor": "xsum", "args": [{"$result_of": ["b", "c"]}], "priority": 9},
    ],
}


def _submitted(program: Program, document: Any = DAG) -> dict[str, Any]:
    answer = program.post("/api/v1/workflows", document)
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.get_json()
    return accepted


def _shown(program: Program, id: str) -> dict[str, Any]:
    found: dict[str, Any] = program.get(f"/api/v1/workflows/{id}").get_json()
    return found


def _states(program: Program, id: str) -> dict[str, str]:
    return {step["name"]: step["state"] for step in _shown(program, id)["steps"]}


@pytest.mark.both_stores
def test_a_graph_is_submitted_followed_and_goes_on_from_the_failed_step_only(site: Site) -> None:
    program, hand = site.program(Role.OPERATOR), Hand(site.database)
    accepted = _submitted(site.program(Role.SUBMITTER))
    id, jobs = accepted["id"], accepted["jobs"]
    shown = _shown(program, id)
    assert (shown["state"], [step["after"] for step in shown["steps"]]) == ("running", [[], ["a"], ["a"], ["b", "c"]])
    assert program.get(f"/api/v1/jobs/{jobs['b']}").get_json()["workflow"] == {"id": id, "name": "nightly", "step": "b"}
    hand.end(jobs["a"], result=3)
    hand.end(jobs["b"], result=9)
    hand.end(jobs["c"], State.DEAD, error="ZeroDivisionError: division by zero")
    shown = _shown(program, id)
    assert (shown["state"], shown["steps"][3]["fate"], shown["steps"][3]["reason"]) == ("blocked", "blocked", "blocked: step c is dead")
    assert program.post(f"/api/v1/workflows/{id}/retry").get_json()["steps"] == 1
    hand.end(jobs["c"], result=1)
    assert _shown(program, id)["steps"][3]["args"] == [[9, 1]]
    hand.end(jobs["d"], result=10)
    shown = _shown(program, id)
    assert (shown["state"], [step["attempt"] for step in shown["steps"]]) == ("succeeded", [1, 1, 2, 1])
    assert shown["finished_at"] is not None


def test_shapes_are_submitted_and_their_callbacks_get_the_results(site: Site) -> None:
    program, hand = site.program(), Hand(site.database)
    shape = {
        "chain": [
            {"actor": "add", "args": [1, 2]},
            {"group": [{"actor": "add", "args": [10]}, {"actor": "mul", "args": [10]}], "on_error": {"actor": "xsum"}},
            {"chord": [{"actor": "xsum"}], "callback": {"actor": "xsum", "args": [], "pipe_ignore": False}},
        ]
    }
    accepted = _submitted(program, shape)
    jobs = accepted["jobs"]
    assert list(jobs) == ["add", "add-2", "mul", "xsum", "xsum-2", "xsum-3"]
    hand.end(jobs["add"], result=3)
    steps = {step["name"]: step for step in _shown(program, accepted["id"])["steps"]}
    assert (steps["add-2"]["args"], steps["mul"]["args"], steps["xsum"]["when"]) == ([10, 3], [10, 3], "error")


@pytest.mark.both_stores
def test_the_same_key_again_is_the_same_workflow_and_another_request_is_refused(site: Site) -> None:
    program, other = site.program(), site.program()
    first, again = (program.post("/api/v1/workflows", DAG, Idempotency_Key="k") for _ in range(2))
    assert again.get_json() == first.get_json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert program.post("/api/v1/workflows", {**DAG, "name": "else"}, Idempotency_Key="k").status_code == 409
    assert other.post("/api/v1/workflows", DAG, Idempotency_Key="k").get_json()["id"] != first.get_json()["id"]
    assert len(program.get("/api/v1/workflows").get_json()["workflows"]) == 2


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "steps"),
        ({"steps": []}, "steps"),
        ({"steps": [{"actor": "add", "args": [1]}]}, "add.y"),
        ({"steps": [{"name": "s", "actor": "add", "args": [{"$result_of": "s"}, 1]}]}, "steps.0.after"),
        ({"steps": [{"actor": "add", "args": [1, 1]}, {"name": "s", "actor": "xsum", "args": [{"$result_of": "add"}, 1]}]}, "s.args"),
        ({"steps": [{"actor": "nobody"}]}, "steps.0.actor"),
        ({"steps": [{"actor": "add", "args": [1, 2], "queue": "nobody"}]}, "steps.0.queue"),
        ({"steps": [{"actor": "add", "args": [1, 2], "delay": "soon"}]}, "steps.0.delay"),
        ({"steps": [{"actor": "add", "args": [1, 2], "delay": "2h", "expires": "1h"}]}, "steps.0.expires"),
        ({"chain": [{"actor": "add", "args": [1, 2], "eta": "2090-01-01T00:00:00Z", "expires": "1h"}]}, "chain.0.expires"),
        ({"steps": [{"actor": "add", "args": [1, 2], "prioriti": 1}]}, "steps.0.prioriti"),
        ({"steps": [{"actor": "add", "args": [1, 2]}], "chain": [{"actor": "add", "args": [1, 2]}]}, "steps"),
        ({"chord": [{"actor": "add", "args": [1, 2]}]}, "callback"),
        ({"chain": [{"group": []}]}, "chain.0.group"),
        ({"chain": [{"actor": "add", "args": [1, 2], "name": "x"}]}, "chain.0"),
        ({"chain": [{"actor": "add", "args": [1, 2]}], "on_error": {"actor": "xsum"}}, "on_error"),
        ({"group": [5]}, "group"),
    ],
)
def test_an_invalid_workflow_is_refused_with_its_place_and_nothing_is_stored(site: Site, document: dict[str, Any], field: str) -> None:
    program = site.program()
    answer = program.post("/api/v1/workflows", document)
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json"), answer.text
    assert field in [each["field"] for each in answer.get_json()["errors"]], answer.text
    assert program.get("/api/v1/workflows").get_json()["workflows"] == []
    assert program.get("/api/v1/jobs").get_json()["jobs"] == []


def test_shapes_within_each_other_have_an_end(site: Site) -> None:
    deep: dict[str, Any] = {"actor": "add", "args": [1, 2]}
    for _ in range(30):
        deep = {"chain": [deep]}
    answer = site.program().post("/api/v1/workflows", deep)
    assert answer.status_code == 422
    assert "at most 20 levels" in answer.get_json()["detail"]


def test_all_of_a_workflow_is_cancelled_from_its_page_and_retried(site: Site) -> None:
    visit, program = site.browser(Role.OPERATOR), site.program()
    id = _submitted(program)["id"]
    page = visit.get(f"/workflows/{id}").text
    assert page.count('class="box ') == 4
    assert page.count('class="edge') == 4
    words = in_words(page)
    assert "waits for step a" in words
    assert visit.fill_in(f"/workflows/{id}", action=f"/workflows/{id}/cancel").status_code == 303
    assert set(_states(program, id).values()) == {"cancelled"}
    assert "4 steps cancelled" in in_words(visit.get(f"/workflows/{id}").text)
    assert visit.fill_in(f"/workflows/{id}", action=f"/workflows/{id}/retry").status_code == 303
    assert _states(program, id) == {"a": "queued", "b": "scheduled", "c": "scheduled", "d": "scheduled"}
    assert f"/workflows/{id}" in visit.get("/workflows").text
    assert visit.get("/workflows/nobody-has-this").status_code == 404


def test_a_viewer_sees_the_workflow_and_no_button(site: Site) -> None:
    id = _submitted(site.program())["id"]
    page = site.browser(Role.SUBMITTER).get(f"/workflows/{id}").text
    assert "nightly" in page
    assert "/cancel" not in page
    assert site.program(Role.VIEWER).post("/api/v1/workflows", DAG).status_code == 403
    assert site.program(Role.SUBMITTER).post(f"/api/v1/workflows/{id}/cancel").status_code == 403


def test_a_stream_tells_each_change_and_the_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow_stream, "LOOK_INTERVAL_S", 0.02)
    program, hand = site.program(), Hand(site.database)
    accepted = _submitted(program, {"chain": [{"actor": "add", "args": [1, 2]}]})
    with Stream(site.browser(), f"/workflows/{accepted['id']}/events") as stream:
        first = stream.message()
        assert '<hx-partial hx-target="#workflow" hx-swap="outerMorph">' in first
        assert "badge queued" in first
        hand.end(accepted["jobs"]["add"], result=3)
        last = stream.rest()[-2:]
        assert "badge succeeded" in last[0]
        assert last[1] == "event: done\ndata: succeeded\n\n"
    with Stream(site.browser(), f"/api/v1/workflows/{accepted['id']}/events") as stream:
        assert re.match(r'event: workflow\ndata: {"id": "', stream.message())
        stream.rest()
    eventually(lambda: workflow_stream._room.open == 0, what="every stream gives its room back")


def test_a_stream_is_read_for_its_caller(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow_stream, "LOOK_INTERVAL_S", 0.02)
    readers: list[Any] = []
    monkeypatch.setattr(workflow_stream, "_look", lambda id: readers.append(caller.current()))
    id = _submitted(site.program(), {"chain": [{"actor": "add", "args": [1, 2]}]})["id"]
    monkeypatch.setattr(workflow_stream, "HEARTBEAT_S", 0.1)
    with Stream(site.browser(Role.VIEWER, ["add"]), f"/workflows/{id}/events") as stream:
        stream.message()
    assert {reader and reader.actors for reader in readers} == {("add",)}


def test_a_client_polls_when_all_streams_are_taken(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow_stream, "MAX_STREAMS", 1)
    id, visit = _submitted(site.program())["id"], site.browser()
    with workflow_stream._room.enter(1):
        answer = visit.get(f"/workflows/{id}/events")
        assert answer.status_code == 503
        assert f'hx-get="/workflows/{id}/live" hx-trigger="every 3s"' in answer.text
    assert '<hx-partial hx-target="#workflow"' in visit.get(f"/workflows/{id}/live").text


def test_streams_of_jobs_and_workflows_leave_threads_for_everybody_else() -> None:
    assert gunicorn_conf.threads - job_watcher.MAX_STREAMS - workflow_stream.MAX_STREAMS >= 8


def test_a_picture_has_each_step_behind_those_it_waits_for_and_a_great_workflow_has_none(site: Site) -> None:
    program = site.program()
    small, great = _submitted(program)["id"], _submitted(program, {"group": [{"actor": "add", "args": [1, 2]}] * (STEP_LIMIT + 1)})["id"]
    with read() as session:
        found, many = workflows.find(session, small), workflows.find(session, great)
    assert found is not None
    assert many is not None
    graph = draw(found)
    assert graph is not None
    x = {box.step.name: box.x for box in graph.boxes}
    assert x["a"] < x["b"] == x["c"] < x["d"]
    assert len({(box.x, box.y) for box in graph.boxes}) == 4
    assert all(box.x + 176 <= graph.width and box.y + 44 <= graph.height for box in graph.boxes)
    assert draw(many) is None
    assert "too many to draw" in site.browser().get(f"/workflows/{great}").text


def test_the_description_knows_workflows(site: Site) -> None:
    document = site.program().get("/api/v1/openapi.json").get_json()
    body = document["paths"]["/workflows"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schema = Draft202012Validator({**body, "components": document["components"]})
    assert schema.is_valid(DAG)
    assert not schema.is_valid({"steps": [{"args": []}]})
    assert schema.is_valid({"chain": [{"actor": "add", "args": [1, 2]}, {"group": [{"actor": "mul", "args": [3]}]}]})
    assert not schema.is_valid({"chain": [{"group": [{"args": [3]}]}]})


@pytest.mark.both_stores
def test_a_step_is_run_again_with_what_follows_it_by_page_and_api(site: Site) -> None:
    visit, program, hand = site.browser(Role.OPERATOR), site.program(Role.OPERATOR), Hand(site.database)
    accepted = _submitted(program)
    id, jobs = accepted["id"], accepted["jobs"]
    assert "Re-run from here" not in visit.get(f"/workflows/{id}").text
    assert program.post(f"/api/v1/workflows/{id}/re-run", {"step": "a"}).status_code == 409
    for name, result in (("a", 3), ("b", 9), ("c", 1), ("d", 10)):
        hand.end(jobs[name], result=result)
    answer = program.post(f"/api/v1/workflows/{id}/re-run", {"step": "b"})
    assert answer.status_code == 202, answer.text
    assert list(answer.get_json()["jobs"]) == ["b", "d"]
    assert _shown(program, answer.get_json()["id"])["rerun_of"] == id
    assert program.post(f"/api/v1/workflows/{id}/re-run", {"step": "e"}).status_code == 422
    page = visit.get(f"/workflows/{id}").text
    assert page.count("Re-run from here") == 4
    token = re.search(r'name="form-csrf_token" value="([^"]+)"', page)
    assert token is not None
    led = visit.client.post(f"/workflows/{id}/re-run", data={"csrf_token": token[1], "step": "d"}).location
    assert f"/workflows/{id}" in visit.get(led).text
    assert "re-run of workflow" in in_words(visit.get(led).text)
    assert site.browser(Role.SUBMITTER).get(f"/workflows/{id}").text.count("Re-run from here") == 0
    assert site.program(Role.SUBMITTER).post(f"/api/v1/workflows/{id}/re-run", {"step": "a"}).status_code == 403


def test_a_workflow_is_drawn_as_a_graph_or_over_time_with_its_critical_path(site: Site) -> None:
    visit, program, hand = site.browser(), site.program(), Hand(site.database)
    accepted = _submitted(program)
    id, jobs = accepted["id"], accepted["jobs"]
    hand.end(jobs["a"], result=3)
    hand.end(jobs["c"], result=1)
    page = visit.get(f"/workflows/{id}").text
    assert 'aria-current="page">Graph' in page
    assert "Critical path so far: a " in in_words(page)
    assert page.count("box succeeded critical") == 2
    assert page.count('class="edge succeeded critical"') == 1
    shown = _shown(program, id)
    assert shown["critical_path"] == ["a", "c"]
    assert [step["critical"] for step in shown["steps"]] == [True, False, True, False]
    gantt = visit.get(f"/workflows/{id}?view=gantt").text
    assert gantt.count('class="lane"') == 4
    assert gantt.partition('class="legend"')[0].count('class="piece succeeded"') == 2
    assert 'class="graph"' not in gantt
    assert f"/workflows/{id}/events?view=gantt" in gantt
    assert 'class="lanes gantt"' in visit.get(f"/workflows/{id}/live?view=gantt").text


def test_a_running_step_shows_its_progress(site: Site) -> None:
    program = site.program()
    accepted = _submitted(program)
    with site.database.write() as session:
        values = {"state": State.RUNNING, "attempt": 1, "started_at": now(), "progress_done": 1, "progress_total": 4}
        session.execute(update(Job).where(Job.id == accepted["jobs"]["a"]).values(**values))
    assert _shown(program, accepted["id"])["steps"][0]["progress"] == 0.25
    page = site.browser().get(f"/workflows/{accepted['id']}").text
    assert 'class="done"' in page
    assert "· 25 %" in page
