"""Rights per actor: users limited to some actors see, submit and change no others, by page and by API."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from src.audit import Outcome, queries
from src.audit.queries import Wanted
from src.jobs import State
from src.jobs.core.models import FailureGroup, Job
from src.operations.people.permissions import Sight, fits, read_patterns
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import read, write
from src.web.auth import allow
from tests.harness.site import Program, Site, Visit

pytestmark = pytest.mark.both_stores

#: stands in every job, schedule and workflow of another actor
PLANTED = "of-nobody-elses-business"
MINE = ["add", "hello*"]


@pytest.fixture
def foreign(site: Site) -> dict[str, Any]:
    """A job, a workflow and a schedule of an actor that is not among MINE, and a job that is."""
    admin = site.program(Role.ADMIN)
    send = {"to": ["a@example.org"], "subject": PLANTED, "context": {"letter": PLANTED}}
    made = {
        "mine": admin.submit("add", 1, 2),
        "job": admin.post("/api/v1/jobs", {"actor": "send_mail", "kwargs": send, "delay": "1d"}).get_json()["id"],
        "workflow": admin.post(
            "/api/v1/workflows", {"name": PLANTED, "steps": [{"name": "one", "actor": "send_mail", "kwargs": send, "delay": "1d"}]}
        ).get_json()["id"],
        "schedule": admin.post(
            "/api/v1/schedules", {"name": PLANTED, "actor": "send_mail", "kwargs": send, "cron": "0 3 * * *"}
        ).get_json()["id"],
    }
    assert all(made.values())
    with write() as session:
        session.add(
            FailureGroup(
                fingerprint="f" * 16, kind="ValueError", place="mail:send", message=PLANTED, actors=["send_mail"], count=3, count_before=0,
                first_seen_at=now(), opened_at=now(), last_seen_at=now(), mailed_count=0,
            )
        )  # fmt: skip
    return made


def visitors(site: Site, role: Role) -> tuple[Visit, Program]:
    return site.browser(role, MINE), site.program(role, MINE)


def test_patterns_name_actors_or_the_beginning_of_their_names() -> None:
    assert read_patterns(" add, report_*\nadd ") == ("add", "report_*")
    assert read_patterns("") is None
    assert read_patterns("add *") is None
    with pytest.raises(ValueError, match="is not an actor name"):
        read_patterns("a*b")
    assert fits(Sight(("add", "report_*")), "report_daily")
    assert not fits(Sight(("add", "report_*")), "adds")
    assert fits(None, "anything")


@pytest.mark.long
def test_no_page_and_no_list_shows_anything_of_other_actors(site: Site, foreign: dict[str, Any]) -> None:
    browser, program = visitors(site, Role.OPERATOR)
    everything = site.browser(Role.OPERATOR)
    seen_by_all, looked_at = 0, 0
    for rule in site.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.arguments or rule.endpoint in ("static", "api.index_events"):
            continue
        answer = (program if rule.endpoint.startswith("api.") else browser).get(rule.rule)
        if answer.mimetype == "text/event-stream":
            answer.close()
            continue
        looked_at += 1
        assert PLANTED not in answer.text, rule.rule
        assert foreign["job"] not in answer.text, rule.rule
        answer = everything.get(rule.rule)
        if answer.mimetype == "text/event-stream":
            answer.close()
            continue
        seen_by_all += PLANTED in answer.text
    assert looked_at > 30
    assert seen_by_all >= 5  # jobs, errors, schedules, workflows, and in the API


@pytest.mark.long
def test_rows_of_other_actors_are_hidden(site: Site, foreign: dict[str, Any]) -> None:
    browser, program = visitors(site, Role.OPERATOR)
    job, workflow, schedule = foreign["job"], foreign["workflow"], foreign["schedule"]
    for path in (
        f"/jobs/{job}",
        f"/jobs/{job[:13]}",
        f"/jobs/{job}/live",
        f"/jobs/{job}/edit",
        f"/workflows/{workflow}",
        f"/schedules/{schedule}",
    ):
        assert browser.get(path).status_code == 404, path
        assert PLANTED not in browser.get(path).text
    for path in (f"/jobs/{job}", f"/jobs/{job}/logs", f"/jobs/{job}/result", f"/workflows/{workflow}", f"/schedules/{schedule}"):
        assert program.get(f"/api/v1{path}").status_code == 404, path
    assert browser.get(f"/jobs/{foreign['mine']}").status_code == 200


def test_nothing_of_other_actors_can_be_submitted_or_changed(site: Site, foreign: dict[str, Any]) -> None:
    browser, program = visitors(site, Role.OPERATOR)
    send = {"actor": "send_mail", "kwargs": {"to": ["a@example.org"], "subject": "s", "context": {"letter": "t"}}}
    refused = {
        "/jobs": send,
        "/jobs/bulk": [{"actor": "add", "args": [1, 2]}, send],
        "/workflows": {"name": "w", "steps": [{"name": "one", **send}]},
        "/schedules": {"name": "s", "cron": "0 3 * * *", **send},
        "/pauses": {"target": "all"},
        "/limits": {"target": "queue:default", "concurrency": 1},
        "/breakers/send_mail/reset": {},
    }
    for path, body in refused.items():
        assert program.post(f"/api/v1{path}", body).status_code == 403, path
    told = {"name": "s", "actor": "add", "args": [1, 2], "cron": "0 3 * * *", "on_failure": "send_mail"}
    assert program.post("/api/v1/schedules", told).status_code == 403
    for path in (f"/jobs/{foreign['job']}/cancel", f"/workflows/{foreign['workflow']}/cancel", f"/schedules/{foreign['schedule']}/run-now"):
        assert program.post(f"/api/v1{path}", {}).status_code == 404, path
    assert program.delete("/api/v1/pauses/all").status_code == 403
    assert browser.get("/actors/send_mail").status_code == 403
    hidden = browser.hidden("/actors/add")
    assert browser.client.post("/actors/send_mail", data={**hidden, "subject": "s"}).status_code == 403
    assert browser.client.post(f"/jobs/{foreign['job']}/cancel", data=hidden).status_code == 404
    assert browser.client.post("/controls/all/pause", data=hidden).status_code == 403

    admin = site.program(Role.ADMIN)
    assert admin.get(f"/api/v1/jobs/{foreign['job']}").get_json()["state"] == "scheduled"
    with read() as session:
        assert {line.action for line in queries.page(session, Wanted(outcome=Outcome.REFUSED)).lines} >= {"job.submit", "target.pause"}


def test_ones_own_actors_work_as_ever(site: Site, foreign: dict[str, Any]) -> None:
    browser, program = visitors(site, Role.OPERATOR)
    assert [each["name"] for each in program.get("/api/v1/actors").get_json()["actors"] if not fits(Sight(tuple(MINE)), each["name"])] == []

    id = program.submit("add", 1, 2)
    assert browser.fill_in("/actors/add", x="1", y="2").status_code == 303
    assert program.post(f"/api/v1/jobs/{id}/cancel").get_json()["state"] == "cancelled"
    assert program.post(f"/api/v1/jobs/{id}/retry").get_json()["state"] == "queued"
    made = program.post("/api/v1/schedules", {"name": "mine", "actor": "add", "args": [1, 2], "cron": "0 3 * * *"}).get_json()
    assert program.post(f"/api/v1/schedules/{made['id']}/run-now", {}).status_code == 202
    workflow = program.post("/api/v1/workflows", {"name": "w", "steps": [{"name": "one", "actor": "add", "args": [1, 2]}]}).get_json()
    assert program.get(f"/api/v1/workflows/{workflow['id']}").status_code == 200
    assert program.post("/api/v1/pauses", {"target": "actor:add", "for": "10m"}).status_code == 201
    assert program.delete("/api/v1/pauses/actor:add").status_code == 200


def test_a_limited_operator_lets_go_on_what_waits_for_others_too(site: Site) -> None:
    """Only looking is narrowed: what changes rows sees all of them."""
    admin, operator = site.program(Role.ADMIN), site.program(Role.OPERATOR, MINE)
    waits = admin.submit("count")
    with write() as session:
        # It waits for the pause of the limited operator's own actor, whatever it is a job of.
        session.execute(update(Job).where(Job.id == waits).values(state=State.SCHEDULED, waits_for="pause:actor:add", publish_at=None))
    assert admin.post("/api/v1/pauses", {"target": "actor:add"}).status_code == 201

    assert operator.delete("/api/v1/pauses/actor:add").get_json()["waited"] == 1


def test_a_new_address_that_changes_something_is_closed_to_the_limited(own_site: Site) -> None:
    own_site.app.config["WTF_CSRF_ENABLED"] = False
    own_site.app.add_url_rule("/sweep", endpoint="sweep", view_func=allow(Role.OPERATOR)(lambda: "swept"), methods=["POST"])
    assert own_site.browser(Role.OPERATOR).client.post("/sweep").status_code == 200
    assert own_site.browser(Role.OPERATOR, MINE).client.post("/sweep").status_code == 403


def test_mail_is_for_those_who_may_use_every_actor(site: Site) -> None:
    browser, program = visitors(site, Role.OPERATOR)
    assert browser.get("/mails").status_code == browser.get("/mailbox").status_code == program.get("/api/v1/mails").status_code == 403
