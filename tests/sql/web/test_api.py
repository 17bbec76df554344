"""The API: accepted requests, refusals and their messages, and that answers are always JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta
from sqlalchemy import select, update

import tests.actors.web
from src.actor_schema.signature import Signature
from src.actors import broker
from src.cli.shared.calls import words
from src.jobs import State
from src.jobs.core.errors import InvalidArguments
from src.jobs.core.models import Job
from src.jobs.options.job_options import JobOptions
from src.jobs.submit import defaults
from src.jobs.submit.defaults import Defaults
from src.operations.format.instants import parse_duration
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import read, write
from tests.harness.services import random_name
from tests.harness.site import Program, Site, in_words

assert tests.actors.web  # the actor `order`
pytestmark = pytest.mark.both_stores


def _job(id: str) -> Job:
    with read() as session:
        return session.execute(select(Job).where(Job.id == id)).scalar_one()


def _count() -> int:
    with read() as session:
        return len(session.execute(select(Job.seq)).all())


def _refused(program: Program, document: Any, path: str = "/api/v1/jobs") -> tuple[int, dict[str, str]]:
    answer = program.post(path, document)
    assert answer.mimetype == "application/problem+json", answer.text
    problem = answer.get_json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    return answer.status_code, {each["field"]: each["message"] for each in problem.get("errors", [])}


def test_a_submitted_job_is_answered_with_its_id_state_and_address(site: Site) -> None:
    program = site.program(Role.SUBMITTER)
    answer = program.post("/api/v1/jobs", {"actor": "add", "args": [1], "kwargs": {"y": "2"}})
    accepted = answer.get_json()
    assert answer.status_code == 202
    assert accepted["state"] == "queued"
    assert answer.headers["Location"] == accepted["url"]
    job = program.get(accepted["url"].removeprefix("http://localhost")).get_json()
    assert (job["actor"], job["queue"], job["args"], job["kwargs"], job["source"]) == ("add", "default", [1], {"y": 2}, "api")
    assert (job["result"], job["error"], job["progress"], job["attempts"]) == (None, None, None, [])
    assert datetime.fromisoformat(job["created_at"]).tzinfo is not None


def test_an_option_that_cannot_be_read_is_named_once(site: Site) -> None:
    program = site.program(Role.SUBMITTER)
    answer = program.post("/api/v1/jobs", {"actor": "add", "args": [1, 2], "delay": "soon"}).get_json()
    assert answer["detail"] == "delay: Give a duration such as 90 (seconds), 10m, 1h30m or 2d."
    assert answer["errors"] == [{"field": "delay", "message": "Give a duration such as 90 (seconds), 10m, 1h30m or 2d."}]


def test_an_unknown_actor_is_answered_with_the_one_that_was_meant_unless_that_is_hidden(site: Site) -> None:
    misspelled = {"actor": "create_random_user_account"}
    _, errors = _refused(site.program(Role.SUBMITTER), misspelled)
    assert "Did you mean create_random_user_accounts?" in errors["actor"]
    refused = site.program(Role.SUBMITTER, actors=["add"]).post("/api/v1/jobs", misspelled)
    assert "create_random_user_accounts" not in refused.text


def test_every_problem_within_an_argument_is_named_by_its_place(site: Site) -> None:
    kwargs = {"items": [{"name": "pen", "count": 0}, {"nam": "ink"}], "to": {"floor": "x"}, "by": "soon"}
    status, errors = _refused(site.program(Role.SUBMITTER), {"actor": "order", "kwargs": kwargs})

    assert (status, errors) == (
        422,
        {
            "items.0.count": "Enter 1 or more.",
            "items.1.name": "Required.",
            "items.1.nam": "No such parameter.",
            "to.street": "Required.",
            "to.floor": "Enter a whole number.",
            "by": "Enter a date and time, e.g. 2030-12-31T18:00:00Z.",
        },
    )
    listed = site.program(Role.SUBMITTER).post("/api/v1/jobs/bulk", [{"actor": "order", "kwargs": {"items": [{}]}}]).get_json()
    assert [each["field"] for each in listed["errors"]] == ["0.items.0.name"]
    with pytest.raises(InvalidArguments) as refused:
        Signature.of(broker.get_actor("order")).check([], kwargs)
    assert words(refused.value).splitlines()[3] == "--to.street: Required."


def test_each_field_at_fault_is_named_with_the_cure_and_nothing_is_kept(site: Site) -> None:
    program = site.program()
    assert _refused(program, {"actor": "add", "args": [1]}) == (422, {"y": "Required."})
    assert _refused(program, {"actor": "add", "args": ["a", "b"]}) == (422, {"x": "Enter a whole number.", "y": "Enter a whole number."})
    assert _refused(program, {"args": []}) == (422, {"actor": "Required."})
    assert _refused(program, {"actor": "add", "args": [1, 2], "prioriti": 1})[1]["prioriti"].startswith(
        "There is no such field. Do you mean priority?"
    )
    assert _refused(program, {"actor": "add", "args": [1, 2], "priority": 10}) == (422, {"priority": "Enter a number from 0 to 9."})
    assert _refused(program, {"actor": "add", "args": [1, 2], "delay": "soon"})[1].keys() == {"delay"}
    assert _refused(program, {"actor": "add", "args": [1, 2], "eta": "2030-01-01T00:00:00"})[1].keys() == {"eta"}
    assert _refused(program, {"actor": "add", "args": [1, 2], "eta": "2030-01-01T00:00:00Z", "delay": 1})[1].keys() == {"eta"}
    assert _refused(program, {"actor": "add", "args": [1, 2], "queue": "nobody"})[1].keys() == {"queue"}
    early = "The job would expire before it can start: give a later expiry, or an earlier start."
    assert _refused(program, {"actor": "add", "args": [1, 2], "delay": "2h", "expires": "1h"}) == (422, {"expires": early})
    past = "This is in the past: give a future time."
    for option in ("expires", "keep_until"):
        assert _refused(program, {"actor": "add", "args": [1, 2], option: "2020-01-01T00:00:00Z"}) == (422, {option: past})
    assert _refused(program, {"actor": "nobody"})[1].keys() == {"actor"}
    assert _refused(program, ["add"]) == (422, {})
    assert _count() == 0


@pytest.mark.parametrize("body", ["{", '{"actor": NaN}', "[" * 100_000, "\x00", '{"actor": "add", "args": [' + "9" * 5000 + "]}"])
def test_invalid_json_is_refused_in_words(site: Site, body: str) -> None:
    program = site.program()
    answer = program.client.post("/api/v1/jobs", data=body, headers={**program.headers, "Content-Type": "application/json"})
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert answer.get_json()["detail"].startswith(("The body is not valid JSON", "The body is not accepted"))


def test_a_body_of_another_type_is_refused(site: Site) -> None:
    program = site.program()
    answer = program.client.post("/api/v1/jobs", data={"actor": "add"}, headers=program.headers)
    assert answer.status_code == 415


def test_a_delay_an_instant_and_an_expiry_are_kept(site: Site) -> None:
    program = site.program()
    delayed = _job(program.submit("add", 1, 2, delay="10m", expires=3600, priority=7, unique_key="one"))
    assert delayed.state is State.SCHEDULED
    assert delayed.due_at is not None
    assert delayed.expires_at is not None
    assert timedelta(minutes=9) < delayed.due_at - now() <= timedelta(minutes=10)
    assert timedelta(minutes=59) < delayed.expires_at - now() <= timedelta(hours=1)
    assert (delayed.priority, delayed.unique_key) == (7, "one")
    instant = _job(program.submit("add", 1, 2, eta="2090-01-01T01:00:00+01:00", expires="2091-01-01T00:00:00Z"))
    assert (instant.due_at, instant.expires_at) == (datetime(2090, 1, 1, tzinfo=UTC), datetime(2091, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(90, 90), ("90", 90), (0.5, 0.5), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), (" 1 W ", 604_800), ("1.5h", 5400)],
)
def test_durations_are_read_as_people_write_them(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "m", "-5", "5x", "10 minutes", "1e9", "nan", "9" * 40 + "d"])
def test_an_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|hundred years"):
        parse_duration(text)


def test_an_idempotency_key_makes_one_job_of_many_requests(site: Site) -> None:
    program, other = site.program(), site.program()
    body = {"actor": "add", "args": [1, 2]}
    first, again = (program.post("/api/v1/jobs", body, Idempotency_Key="k1") for _ in range(2))
    assert first.get_json()["id"] == again.get_json()["id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert program.post("/api/v1/jobs", {"actor": "add", "args": [1, 3]}, Idempotency_Key="k1").status_code == 409
    assert program.post("/api/v1/jobs", body, Idempotency_Key="x" * 201).status_code == 422
    # Another program's keys are its own.
    assert other.post("/api/v1/jobs", body, Idempotency_Key="k1").get_json()["id"] != first.get_json()["id"]
    assert _count() == 2


def test_a_unique_key_is_no_repeated_request_and_its_period_is_told(site: Site) -> None:
    program, body = site.program(), {"actor": "add", "args": [1, 2], "unique_key": "remind 7", "unique_for": "1d"}
    first = program.post("/api/v1/jobs", body, Idempotency_Key="k0")
    assert "reason" not in first.get_json()

    other = program.post("/api/v1/jobs", body, Idempotency_Key="k1")

    id = first.get_json()["id"]
    assert (other.status_code, other.get_json()["id"]) == (202, id)
    assert "Idempotency-Replayed" not in other.headers
    assert f"a job of its unique key stands for it: {id}, queued, until 2" in other.get_json()["reason"]
    assert program.post("/api/v1/jobs", body, Idempotency_Key="k1").headers["Idempotency-Replayed"] == "true"
    period = program.get(f"/api/v1/jobs/{id}").get_json()["unique_period"]
    assert period["key"] == "remind 7"
    assert timedelta(hours=23) < datetime.fromisoformat(period["until"]) - now() <= timedelta(days=1)
    assert [job["id"] for job in program.get("/api/v1/jobs?q=key:remind*").get_json()["jobs"]] == [id]
    page = in_words(site.browser().get(f"/jobs/{id}").text)
    assert "Unique for remind 7 until" in page


def test_every_call_option_is_kept_and_returned(site: Site) -> None:
    program = site.program()
    asked = {"unique_key": "one", "unique_until": "waiting", "fair_key": "me", "priority": 2, "delay": "1h", "idempotency_key": "k"}
    id = program.submit("add", 1, 2, **asked)
    job = program.get(f"/api/v1/jobs/{id}").get_json()
    assert {name: job[name] for name in ("unique_key", "unique_until", "fair_key", "priority")} == {
        "unique_key": "one", "unique_until": "waiting", "fair_key": "me", "priority": 2,
    }  # fmt: skip
    bulk = [
        {"actor": "add", "args": [1, 2], "idempotency_key": "k"},
        {"actor": "add", "args": [3, 4], "unique_key": "p", "unique_for": "1h"},
    ]
    first, again = (program.post("/api/v1/jobs/bulk", bulk).get_json() for _ in range(2))
    assert first["ids"][0] == id
    assert (first["created"], again["created"], first["ids"]) == (1, 0, again["ids"])
    body = {"actor": "add", "args": [1, 2], "idempotency_key": "k"}
    assert program.post("/api/v1/jobs", body, Idempotency_Key="another").status_code == 422


def test_a_waiting_job_is_changed_and_says_what_is_wrong_with_a_change(site: Site) -> None:
    program = site.program(Role.OPERATOR)
    id = program.submit("add", 1, 2)
    changed = program.patch(f"/api/v1/jobs/{id}", {"kwargs": {"x": "3", "y": 4}, "priority": 9, "delay": "10m", "expires": "1h"}).get_json()
    assert (changed["args"], changed["kwargs"], changed["priority"], changed["state"]) == ([], {"x": 3, "y": 4}, 9, "scheduled")
    assert changed["expires_at"] > changed["due_at"]
    for change, field in (({}, "args"), ({"args": [1]}, "y"), ({"priority": 10}, "priority"), ({"eta": "soon"}, "eta"), ({"x": 1}, "x")):
        answer = program.patch(f"/api/v1/jobs/{id}", change)
        assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, field)
    early = program.patch(f"/api/v1/jobs/{id}", {"delay": "2h"})
    assert (early.status_code, early.get_json()["errors"][0]["field"]) == (422, "expires")
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(state=State.RUNNING))
    assert program.patch(f"/api/v1/jobs/{id}", {"priority": 1}).status_code == 409
    assert program.patch("/api/v1/jobs/ffffffff", {"priority": 1}).status_code == 404


def test_a_part_of_an_id_that_fits_several_is_answered_with_them(site: Site) -> None:
    program = site.program()
    ids = sorted(program.post("/api/v1/jobs/bulk", [{"actor": "add", "args": [1, 2]}] * 2).get_json()["ids"])
    answer = program.get(f"/api/v1/jobs/{ids[0][:8]}")
    assert answer.status_code == 409
    assert all(id in answer.get_json()["detail"] for id in ids)
    assert program.get(f"/api/v1/jobs/{ids[0][:8]}…{ids[0][-6:]}").get_json()["id"] == ids[0]


def test_a_bulk_request_is_all_or_nothing_and_says_which_job_is_wrong(site: Site) -> None:
    program = site.program()
    right = {"actor": "add", "args": [1, 2]}
    status, fields = _refused(program, [right, {"actor": "add", "args": [1]}], "/api/v1/jobs/bulk")
    assert (status, fields) == (422, {"1.y": "Required."})
    assert _refused(program, [], "/api/v1/jobs/bulk")[0] == 400
    assert _count() == 0
    answer = program.post("/api/v1/jobs/bulk", [right] * 300)
    assert answer.status_code == 202
    assert len(set(answer.get_json()["ids"])) == 300
    assert _count() == 300


def test_pages_follow_one_another_by_key(site: Site) -> None:
    program = site.program()
    ids = program.post("/api/v1/jobs/bulk", [{"actor": "add", "args": [n, 0]} for n in range(7)]).get_json()["ids"]
    program.submit("mul", 1, 2)
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = program.get(f"/api/v1/jobs?q=actor:add+state:queued&limit=3&after={after}").get_json()
        seen += [job["id"] for job in page["jobs"]]
        after = page["next"]
    assert seen == ids[::-1]


@pytest.mark.parametrize("query", ["q=ab", "q=state:lost", "state=lost", "after=x", "limit=0", "limit=201", "q=sort:id"])
def test_a_query_that_is_not_understood_is_refused_with_the_cure(site: Site, query: str) -> None:
    answer = site.program().get(f"/api/v1/jobs?{query}")
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert answer.get_json()["errors"]


def test_a_job_is_found_by_the_beginning_of_its_id_and_an_unknown_one_is_unknown(site: Site) -> None:
    program = site.program()
    id = program.submit("add", 1, 2)
    assert program.get(f"/api/v1/jobs/{id[:20]}").get_json()["id"] == id
    for unknown in ("ffffffff", "short", "x" * 300):
        answer = program.get(f"/api/v1/jobs/{unknown}")
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json"), unknown
    assert program.post("/api/v1/jobs/ffffffff/cancel").status_code == 404


def test_a_nul_character_or_half_a_character_breaks_nothing(site: Site) -> None:
    program, browser = site.program(), site.browser()
    for path in ("/jobs/a%00", "/jobs?actor=%00", "/jobs?q=queue:%00"):
        assert program.get(f"/api/v1{path}").status_code < 500, path
        assert browser.get(path).status_code < 500, path
    for unique_key in ("\x00", "\ud800"):
        assert program.post("/api/v1/jobs", {"actor": "add", "args": [1, 2], "unique_key": unique_key}).status_code < 500
    assert browser.fill_in("/sign-in", name="\x00", password="\x00").status_code < 500


def test_jobs_are_cancelled_retried_and_run_now(site: Site) -> None:
    program = site.program(Role.OPERATOR)
    id = program.submit("add", 1, 2, delay="1h")
    assert program.post(f"/api/v1/jobs/{id}/run-now").get_json()["state"] == "queued"
    assert program.post(f"/api/v1/jobs/{id}/cancel").get_json()["state"] == "cancelled"
    assert program.post(f"/api/v1/jobs/{id}/retry").get_json()["state"] == "queued"
    refused = program.post(f"/api/v1/jobs/{id}/release")
    assert (refused.status_code, refused.mimetype) == (409, "application/problem+json")
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(state=State.RUNNING))
    answer = program.post(f"/api/v1/jobs/{id}/cancel").get_json()
    assert (answer["state"], answer["cancel_requested"]) == ("running", True)


def test_answers_are_json_also_where_values_are_not(site: Site) -> None:
    program = site.program()
    id = program.submit("xsum", [1])
    strange = {"nan": float("nan"), "deep": [float("inf"), {"x": -float("inf")}], "huge": 10**400, "half": "\ud800", "zero": "a\x00b"}
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(result=strange, args=[strange], kwargs=strange))
    answer = program.get(f"/api/v1/jobs/{id}")
    result = json.loads(answer.data, parse_constant=pytest.fail)["result"]
    assert (result["nan"], result["deep"]) == (None, [None, {"x": None}])
    assert result["huge"] == 10**400
    assert site.browser().get(f"/jobs/{id}").status_code == 200


def test_the_fleet_is_listed(site: Site) -> None:
    program = site.program(Role.VIEWER)
    actors = {each["name"]: each for each in program.get("/api/v1/actors").get_json()["actors"]}
    assert actors["create_random_user_accounts"]["schema"]["properties"]["total"]["maximum"] == 500
    queues = {each["name"] for each in program.get("/api/v1/queues").get_json()["queues"]}
    assert {"default", "accounts"} <= queues
    assert program.get("/api/v1/workers").get_json() == {"workers": []}


@pytest.mark.long
def test_the_description_is_openapi_and_its_schemas_know_every_actors_arguments(site: Site) -> None:
    document = site.program().get("/api/v1/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    assert document == site.program().get("/openapi.json").get_json()
    for schema in document["components"]["schemas"].values():
        meta.validate(schema)
    submission = Draft202012Validator({"$ref": "#/components/schemas/Submission", "components": document["components"]})
    assert submission.is_valid({"actor": "create_random_user_accounts", "kwargs": {"total": 50}})
    assert not submission.is_valid({"actor": "create_random_user_accounts", "kwargs": {"total": 49}})
    assert not submission.is_valid({"actor": random_name("nobody")})


def test_metrics_are_in_prometheus_text(site: Site) -> None:
    site.program().submit("add", 1, 2)
    lines = site.program(Role.VIEWER).get("/metrics").text.splitlines()
    assert 'callboard_jobs{state="queued"} 1.0' in lines
    assert 'callboard_queue_queued{queue="default"} 1.0' in lines
    assert "callboard_workers 0.0" in lines


def test_a_job_has_its_actors_own_priority_unless_another_is_asked_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "of", lambda _: Defaults(JobOptions(priority=8)))
    program = site.program()
    assert _job(program.submit("add", 1, 2)).priority == 8
    assert _job(program.submit("add", 1, 2, priority=1)).priority == 1
