"""Roles that an actor declares in code for submitting and seeing its jobs, by page, API and uploaded rows alike."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pika
import pytest
from dramatiq import Actor, Message
from dramatiq.brokers.stub import StubBroker
from sqlalchemy import update

from src import actors
from src.actors.arithmetic import add
from src.broker.options.errors import InvalidOption
from src.broker.options.submission import ROLES, SubmissionOptions
from src.broker.recover import dead_letter_contents as contents
from src.broker.recover import dead_letters
from src.broker.recover.dead_letters import Requeued
from src.jobs import State, submit
from src.jobs.control.reach import ACT_ON_JOBS
from src.jobs.core.models import Job
from src.jobs.submit import defaults
from src.jobs.workflows.canvas import CALL_EACH, Workflow, chain, chunks
from src.operations.failures import dead_letter_requests
from src.operations.people import caller, permissions
from src.operations.people.caller import Caller, Forbidden
from src.operations.people.roles import Role
from src.reports import archive
from src.reports.document import Document
from src.schedules.rows.models import Schedule
from src.sql.clock import now
from src.sql.database import write
from tests.actors.web import spill
from tests.harness.site import Program, Site, in_words
from tests.sql.web.test_bulk import carry_out

Declare = Callable[..., None]


@pytest.fixture
def declare() -> Iterator[Declare]:
    """Have the actor `spill` say who may, for as long as the test runs."""
    before = defaults.of("spill")
    yield lambda **roles: defaults.declare("spill", replace(before, **roles))
    defaults.declare("spill", before)


def submitted(site: Site, **more: Any) -> str:
    """A job of the actor, by an administrator."""
    return site.program(Role.ADMIN).submit("spill", 1, **more)


def dead(id: str) -> str:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(state=State.DEAD, finished_at=now(), publish_at=None))
    return id


def ways_to_submit(program: Program) -> dict[str, int]:
    """The answers to every way in which a program can have a job of the actor run."""
    schedule = {"name": "nightly", "actor": "spill", "args": [1], "cron": "0 3 * * *"}
    told = {"name": "nightly", "actor": "add", "args": [1, 2], "cron": "0 3 * * *", "on_failure": "spill"}
    return {
        name: program.post(f"/api/v1/{path}", body).status_code
        for name, path, body in (
            ("job", "jobs", {"actor": "spill", "args": [1]}),
            ("bulk", "jobs/bulk", [{"actor": "add", "args": [1, 2]}, {"actor": "spill", "args": [1]}]),
            ("call", "actors/spill/jobs", {"kwargs": {"of": 1}}),
            ("workflow", "workflows", {"name": "w", "steps": [{"name": "one", "actor": "spill", "args": [1]}]}),
            ("schedule", "schedules", schedule),
            ("told", "schedules", told),
        )
    }


def test_a_lower_role_than_the_code_says_has_none_of_its_jobs_run(site: Site, declare: Declare) -> None:
    declare(submit_role="admin")
    assert set(ways_to_submit(site.program(Role.OPERATOR)).values()) == {403}
    assert site.program(Role.OPERATOR).get("/api/v1/jobs?q=actor:add").get_json()["jobs"] == []
    assert 403 not in ways_to_submit(site.program(Role.ADMIN)).values()

    browser = site.browser(Role.OPERATOR)
    page = browser.get("/actors/spill").text
    assert "Requires role admin to submit." in page
    assert "Requires role admin to submit, viewer to view (set in code)" in in_words(page)
    assert "Batch from CSV" not in page
    assert browser.fill_in("/actors/spill", of="1").status_code == 403
    rows = browser.client.post("/actors/spill/rows", data={**browser.hidden("/actors/add"), "file": (io.BytesIO(b"of\n1\n"), "rows.csv")})
    assert rows.status_code == 403
    answer = site.program(Role.OPERATOR).post("/api/v1/jobs", {"actor": "spill", "args": [1]}).get_json()
    assert "requires role admin or higher; you are signed in as" in answer["detail"]


def test_what_is_there_is_stopped_but_neither_retried_nor_changed(site: Site, declare: Declare) -> None:
    declare(submit_role="admin")
    waiting, over = submitted(site, delay="1h"), dead(submitted(site))
    operator, browser = site.program(Role.OPERATOR), site.browser(Role.OPERATOR)
    assert operator.post(f"/api/v1/jobs/{over}/retry").status_code == 403
    assert operator.post(f"/api/v1/jobs/{waiting}/run-now").status_code == 403
    assert operator.patch(f"/api/v1/jobs/{waiting}", {"priority": 9}).status_code == 403
    for address in (f"/jobs/{over}/retry", f"/jobs/{over}/re-run", f"/jobs/{over}/re-run-with-edits"):
        assert browser.client.post(address, data=browser.hidden("/actors/add")).status_code == 403, address
    page = browser.get(f"/jobs/{over}").text
    assert "Retry now" not in page
    assert "Re-run" not in page
    assert operator.post(f"/api/v1/jobs/{waiting}/cancel").status_code == 200
    assert site.program(Role.ADMIN).post(f"/api/v1/jobs/{over}/retry").status_code == 200


def test_its_schedule_is_paused_but_not_run_or_changed(site: Site, declare: Declare) -> None:
    schedule = {"name": "nightly", "actor": "spill", "args": [1], "cron": "0 3 * * *"}
    id = site.program(Role.ADMIN).post("/api/v1/schedules", schedule).get_json()["id"]
    declare(submit_role="admin")
    operator = site.program(Role.OPERATOR)
    assert operator.post(f"/api/v1/schedules/{id}/pause").status_code == 200
    assert operator.post(f"/api/v1/schedules/{id}/resume").status_code == 403
    assert operator.post(f"/api/v1/schedules/{id}/run-now").status_code == 403
    assert operator.delete(f"/api/v1/schedules/{id}").status_code == 403


def test_a_verb_for_all_jobs_leaves_its_jobs_out_and_says_so(site: Site, declare: Declare) -> None:
    declare(submit_role="admin")
    dead(submitted(site))
    dead(site.program(Role.ADMIN).submit("add", 1, 2))
    seen = site.program(Role.OPERATOR).get("/api/v1/jobs/many?verb=retry&q=state:dead").get_json()
    assert (seen["count"], seen["q"]) == (1, "state:dead -actor:spill")
    assert site.program(Role.ADMIN).get("/api/v1/jobs/many?verb=retry&q=state:dead").get_json()["count"] == 2
    page = in_words(site.browser(Role.OPERATOR).get("/jobs/many?verb=retry&q=state:dead").text)
    assert "Retry 1 job?" in page
    assert "-actor:spill" in page


def test_a_workflow_with_a_step_of_it_is_cancelled_but_not_retried(site: Site, declare: Declare) -> None:
    steps = [{"name": "one", "actor": "spill", "args": [1], "delay": "1h"}]
    id = site.program(Role.ADMIN).post("/api/v1/workflows", {"name": "w", "steps": steps}).get_json()["id"]
    declare(submit_role="admin")
    assert site.program(Role.OPERATOR).post(f"/api/v1/workflows/{id}/retry").status_code == 403
    assert site.program(Role.OPERATOR).post(f"/api/v1/workflows/{id}/cancel").status_code == 200


def test_a_job_that_calls_it_for_each_element_is_not_retried(site: Site, declare: Declare) -> None:
    declare(submit_role="admin")
    with write() as session:
        receipt = Workflow("w", chunks(spill, [1, 2], 2)).submit(session)
    [id] = receipt.jobs.values()
    dead(id)
    assert site.program(Role.OPERATOR).post(f"/api/v1/jobs/{id}/retry").status_code == 403
    assert site.program(Role.ADMIN).post(f"/api/v1/jobs/{id}/retry").status_code == 200


def sent(message: Any) -> str:
    """A job of a message, by code."""
    with write() as session:
        return submit(session, message).id


def stored(workflow: Workflow, step: str) -> str:
    """A stored workflow, of which this step is dead; the id of its job."""
    with write() as session:
        receipt = workflow.submit(session)
    return dead(receipt.jobs[step])


def in_pipeline(*messages: Any) -> str:
    """A dead step of a pipeline, before the others."""
    first, *rest = [message.asdict() for message in messages]
    for number in range(len(rest) - 1, 0, -1):
        rest[number - 1]["options"]["pipe_target"] = rest[number]
    return dead(sent(Message(**{**first, "options": {"pipe_target": rest[0]}})))


def called_back(option: str) -> str:
    options: Any = {option: "spill"}
    return dead(sent(add.message_with_options(args=(1, 2), **options)))


def in_group() -> str:
    options: Any = {"group_completion_uuid": "g", "group_completion_callbacks": [spill.message(1).asdict()]}
    return dead(sent(add.message_with_options(args=(1, 2), **options)))


#: dead jobs of other actors that have the actor run
DETOURS: dict[str, Callable[[], str]] = {
    "chunks": lambda: stored(Workflow("w", chunks(spill, [1, 2], 2)), CALL_EACH),
    "pipeline": lambda: in_pipeline(add.message(1, 2), spill.message(1)),
    "long pipeline": lambda: in_pipeline(add.message(1, 2), add.message(1, 2), spill.message(1)),
    "group": in_group,
    "on_success": lambda: called_back("on_success"),
    "on_retry_exhausted": lambda: called_back("on_retry_exhausted"),
    "a step behind it": lambda: stored(Workflow("w", chain(add.message(1, 2), add.message(1, 2), spill.message(1))), "add"),
}


@pytest.mark.both_stores
@pytest.mark.parametrize("kind", DETOURS)
def test_a_job_that_has_it_run_is_retried_by_no_lower_role_alone_or_with_others(site: Site, declare: Declare, kind: str) -> None:
    id = DETOURS[kind]()
    declare(submit_role="admin")
    operator, admin = site.program(Role.OPERATOR), site.program(Role.ADMIN)
    assert operator.post(f"/api/v1/jobs/{id}/retry").status_code == 403
    workflow = operator.get(f"/api/v1/jobs/{id}").get_json()["workflow"]
    if workflow is not None:
        assert operator.post(f"/api/v1/workflows/{workflow['id']}/retry").status_code == 403
        assert operator.post(f"/api/v1/workflows/{workflow['id']}/re-run", {"step": workflow["step"]}).status_code == 403

    for role, retried in ((Role.OPERATOR, 0), (Role.ADMIN, 1)):
        order = site.program(role).post("/api/v1/jobs/many", {"verb": "retry", "q": f"id:{id}", "count": 1})
        assert order.status_code == 202
        assert carry_out()["done"] == retried
    assert admin.get(f"/api/v1/jobs/{id}").get_json()["state"] == "queued"


def test_a_step_beside_it_and_a_re_run_without_it_are_not_refused(site: Site, declare: Declare) -> None:
    beside = stored(Workflow("w", spill.message(1), add.message(1, 2)), "add")
    first = in_pipeline(add.message(1, 2), spill.message(1))
    declare(submit_role="admin")
    assert site.program(Role.OPERATOR).post(f"/api/v1/jobs/{beside}/retry").status_code == 200
    browser = site.browser(Role.OPERATOR)
    assert browser.client.post(f"/jobs/{first}/re-run", data=browser.hidden("/actors/add")).status_code == 303


def test_a_schedule_that_notifies_it_is_not_run_by_a_lower_role(site: Site, declare: Declare) -> None:
    schedule = {"name": "nightly", "actor": "add", "args": [1, 2], "cron": "0 3 * * *"}
    id = site.program(Role.ADMIN).post("/api/v1/schedules", schedule).get_json()["id"]
    with write() as session:
        session.get_one(Schedule, id).on_failure = "spill"
    declare(submit_role="admin")
    operator = site.program(Role.OPERATOR)
    assert operator.post(f"/api/v1/schedules/{id}/run-now").status_code == 403
    assert operator.patch(f"/api/v1/schedules/{id}", {"args": [2, 3]}).status_code == 403
    assert operator.post(f"/api/v1/schedules/{id}/pause").status_code == 200


def test_a_refusal_names_no_hidden_actor(site: Site, declare: Declare) -> None:
    id = in_pipeline(add.message(1, 2), spill.message(1))
    declare(submit_role="admin", view_role="admin")
    refused = site.program(Role.OPERATOR).post(f"/api/v1/jobs/{id}/retry")
    assert (refused.status_code, "spill" in refused.text) == (403, False)


@pytest.mark.parametrize(
    ("message", "edited"),
    [
        (Message("default", CALL_EACH, ("spill", [[1]]), {}, {}), None),
        (Message("default", CALL_EACH, ("add", [[1, 2]]), {}, {}), {"args": ["spill", [[1]]]}),
        (Message("default", CALL_EACH, ("add", [[1, 2]]), {}, {}), {"args": [], "kwargs": {"actor": "spill", "arguments": [[1]]}}),
        (Message("default", ACT_ON_JOBS, (), {"verb": "re-run", "query": "actor:spill", "role": "admin"}, {}), None),
        (Message("default", ACT_ON_JOBS, (), {"verb": "cancel", "query": "actor:spill"}, {}), {"args": ["re-run"], "kwargs": {}}),
        (Message("default", "add", (1, 2), {}, {"pipe_target": spill.message(1).asdict()}), None),
        (Message("default", "add", (1, 2), {}, {"pipe_target": 7, "group_completion_callbacks": [7], "on_success": 7}), {}),
    ],
)
def test_a_dead_letter_that_has_it_run_stays(
    declare: Declare, monkeypatch: pytest.MonkeyPatch, message: Message[Any], edited: dict[str, Any] | None
) -> None:
    declare(submit_role="admin")
    published: list[bytes] = []
    channel = SimpleNamespace(basic_publish=lambda exchange, queue, body, *_, **__: published.append(body))
    properties = pika.BasicProperties()
    monkeypatch.setattr(contents, "_with_one", lambda queue, key, act: act(channel, properties, message.encode()))
    monkeypatch.setattr(dead_letters, "requeue", lambda queue, *, takes: Requeued(int(takes(message.encode())), 0))
    caller.become(Caller("ann", Role.OPERATOR, "user:ann"))
    try:
        if edited is None:
            assert dead_letter_requests.requeue("default") == Requeued(0, 0)
        if edited == {}:
            dead_letter_requests.requeue_one("default", "key")
        else:
            with pytest.raises(Forbidden):
                dead_letter_requests.requeue_one("default", "key", arguments=edited)
    finally:
        caller.become(None)
    assert len(published) == (edited == {})


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUBMITTER])
def test_a_hidden_actor_is_nowhere_to_be_found(site: Site, declare: Declare, role: Role) -> None:
    id, mine = submitted(site), site.program(Role.ADMIN).submit("add", 1, 2)
    declare(view_role="operator")
    program, browser = site.program(role), site.browser(role)
    assert program.get(f"/api/v1/jobs/{id}").status_code == 404
    assert [each["id"] for each in program.get("/api/v1/jobs").get_json()["jobs"]] == [mine]
    assert "spill" not in [each["name"] for each in program.get("/api/v1/actors").get_json()["actors"]]
    assert browser.get(f"/jobs/{id}").status_code == 404
    for address in ("/jobs", "/actors", "/", "/schedules"):
        assert "spill" not in browser.get(address).text, address
    # The same as for a missing actor: even its name is hidden.
    hidden, none = (browser.get(f"/actors/{name}") for name in ("spill", "qqq"))
    assert (hidden.status_code, none.status_code) == (404, 404)
    assert in_words(hidden.text).replace("spill", "qqq") == in_words(none.text)
    if role is Role.SUBMITTER:
        assert program.post("/api/v1/jobs", {"actor": "spill", "args": [1]}).status_code == 422

    assert site.program(Role.OPERATOR).get(f"/api/v1/jobs/{id}").status_code == 200
    assert site.browser(Role.OPERATOR).get("/actors/spill").status_code == 200


def test_what_is_hidden_is_refused_like_what_does_not_exist(site: Site, declare: Declare) -> None:
    id = dead(submitted(site))
    step = stored(Workflow("w", spill.message(1), add.message(1, 2)), "add")
    workflow = site.program(Role.ADMIN).get(f"/api/v1/jobs/{step}").get_json()["workflow"]["id"]
    declare(submit_role="admin", view_role="admin")
    operator, browser = site.program(Role.OPERATOR), site.browser(Role.OPERATOR)
    assert operator.post(f"/api/v1/jobs/{id}/retry").status_code == 404
    assert operator.patch(f"/api/v1/jobs/{id}", {"priority": 1}).status_code == 404
    assert operator.post(f"/api/v1/workflows/{workflow}/retry").status_code == 404
    assert browser.client.post(f"/jobs/{id}/re-run", data=browser.hidden("/actors/add")).status_code == 404
    # The job itself is visible, and what has it run is not: a step beside it.
    assert operator.post(f"/api/v1/jobs/{step}/retry").status_code == 200


def test_what_tells_of_every_actor_is_seen_by_those_who_may_see_every_actor(site: Site, declare: Declare) -> None:
    chunk, before = stored(Workflow("w", chunks(spill, [77], 2)), CALL_EACH), in_pipeline(add.message(1, 2), spill.message(77))
    admin = site.program(Role.ADMIN)
    count = admin.get("/api/v1/jobs/many?verb=cancel&q=actor:spill").get_json()["count"]
    order = admin.post("/api/v1/jobs/many", {"verb": "cancel", "q": "actor:spill", "count": count}).get_json()["id"]
    workflow = admin.get(f"/api/v1/jobs/{chunk}").get_json()["workflow"]["id"]
    with write() as session:
        report = Document(title="Daily", summary="1 job of spill", period="today", made_at=now(), blocks=())
        archive.keep(session, "daily_operations", "1", report, job_id=None, pdf=None, pdf_note=None, mail_id=None)
    paths = [f"/api/v1/jobs/{chunk}", f"/api/v1/jobs/{order}", f"/api/v1/workflows/{workflow}", "/reports/daily_operations/1.txt"]
    declare(view_role="admin")

    for role, status in ((Role.OPERATOR, 404), (Role.ADMIN, 200)):
        program = site.program(role)
        assert {path: program.get(path).status_code for path in paths} == dict.fromkeys(paths, status), role
        reports = {each["name"] for each in program.get("/api/v1/reports").get_json()["reports"]}
        assert ("daily_operations" in reports, "users_report" in reports) == (role is Role.ADMIN, True)
        assert ("spill" in site.browser(role).get(f"/jobs/{before}").text) == (role is Role.ADMIN)
    assert {each["id"] for each in site.program(Role.OPERATOR).get("/api/v1/jobs").get_json()["jobs"]} == {before}
    queues = {each["name"] for each in site.program(Role.OPERATOR).get("/api/v1/queues").get_json()["queues"]}
    assert {"default", "upkeep", "reports"} <= queues

    declare(view_role=None)
    assert {site.program(Role.VIEWER).get(path).status_code for path in paths} == {200}


def test_the_own_queues_of_a_caller_are_not_lost_to_the_jobs_that_tell_of_every_actor(declare: Declare) -> None:
    declare(view_role="admin")
    caller.become(Caller("ann", Role.OPERATOR, "user:ann"))
    try:
        limited = permissions.in_force()
        assert limited is not None
        assert set(permissions.OF_ANY_ACTOR) <= actors.broker.actors.keys()
        assert {"default", "upkeep", "reports"} <= limited.own_queues()
        assert "linger" not in limited.own_queues()
    finally:
        caller.become(None)


def test_a_limit_to_some_actors_and_the_codes_word_hold_together(site: Site, declare: Declare) -> None:
    id = submitted(site)
    declare(view_role="operator")
    assert site.program(Role.VIEWER, actors=["spill"]).get(f"/api/v1/jobs/{id}").status_code == 404
    assert site.program(Role.OPERATOR, actors=["add"]).get(f"/api/v1/jobs/{id}").status_code == 404
    assert site.program(Role.OPERATOR, actors=["spill"]).get(f"/api/v1/jobs/{id}").status_code == 200


@pytest.mark.parametrize("option", ["submit_role", "view_role"])
def test_a_role_that_is_none_is_refused_when_the_module_is_imported(option: str) -> None:
    stub = StubBroker(middleware=[SubmissionOptions()])
    with pytest.raises(InvalidOption, match=f"{option} must be one of viewer, submitter, operator, admin, not 'root'"):
        Actor(spill.fn, broker=stub, actor_name="t", queue_name="q", priority=0, options={option: "root"})


def test_the_roles_of_options_are_those_of_the_console() -> None:
    assert tuple(Role) == ROLES
