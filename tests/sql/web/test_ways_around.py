"""Ways around a right: names that are numbers, queries that only contain an exclusion, masks sent back as secrets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select, update

import tests.actors.web  # noqa: F401 - its actors
from src.jobs import State
from src.jobs.core.models import Job
from src.jobs.submit import defaults
from src.operations.people.roles import Role
from src.schedules.rows.models import Schedule
from src.sql.clock import now
from src.sql.database import read, write
from tests.harness.attempts import declared
from tests.harness.site import Site
from tests.sql.web.test_bulk import fill

DOTS = "••••••"


def test_a_schedule_named_like_anothers_number_gives_no_right_to_that_one(site: Site) -> None:
    admin, limited = site.program(Role.ADMIN), site.program(Role.OPERATOR, actors=["add"])
    theirs = admin.post("/api/v1/schedules", {"name": "theirs", "actor": "mul", "args": [1, 2], "cron": "0 3 * * *"}).get_json()["id"]
    named = {"name": str(theirs), "actor": "add", "args": [1, 2], "cron": "0 3 * * *"}
    assert limited.post("/api/v1/schedules", named).status_code == 422
    mine = limited.post("/api/v1/schedules", {**named, "name": "mine"}).get_json()["id"]
    assert limited.patch(f"/api/v1/schedules/{mine}", {"name": str(theirs)}).status_code == 422
    with write() as session:  # of a release that accepted such names
        session.get_one(Schedule, mine).name = str(theirs)

    for verb in ("pause", "resume", "run-now"):
        assert limited.post(f"/api/v1/schedules/{theirs}/{verb}").status_code == 404, verb
    span = {"from": "2030-01-01T00:00:00Z", "to": "2030-01-02T00:00:00Z"}
    assert limited.post(f"/api/v1/schedules/{theirs}/backfill", span).status_code == 404
    assert limited.patch(f"/api/v1/schedules/{theirs}", {"pause_after": 3}).status_code == 404
    assert limited.delete(f"/api/v1/schedules/{theirs}").status_code == 404
    assert admin.get(f"/api/v1/schedules/{theirs}").get_json()["name"] == "theirs"
    with read() as session:
        assert session.execute(select(Job)).first() is None


def test_the_beginning_of_an_id_means_the_callers_own_job_to_the_check_and_to_the_view(site: Site) -> None:
    theirs = site.program(Role.ADMIN).submit("mul", 1, 2)
    mine = site.program(Role.ADMIN).submit("add", 1, 2)
    with write() as session:  # ids of another program's messages
        session.execute(update(Job).where(Job.id == theirs).values(id="order-1234"))
        session.execute(update(Job).where(Job.id == mine).values(id="order-1234-2"))
    limited = site.program(Role.OPERATOR, actors=["add"])

    assert limited.post("/api/v1/jobs/order-1234/cancel").status_code == 200

    with read() as session:
        states = {job.id: job.state for job in session.execute(select(Job)).scalars()}
    assert states == {"order-1234": State.QUEUED, "order-1234-2": State.CANCELLED}


@pytest.mark.parametrize("query", ["state:dead -actor:add2", 'state:dead -"x -actor:add"', "state:dead -actor:add,mul"])
def test_an_exclusion_that_a_query_only_seems_to_have_is_added(site: Site, query: str) -> None:
    fill(1)
    before = defaults.of("add")
    defaults.declare("add", replace(before, submit_role="admin"))
    try:
        seen = site.program(Role.OPERATOR).get(f"/api/v1/jobs/many?{urlencode({'verb': 'retry', 'q': query})}")
    finally:
        defaults.declare("add", before)

    assert (seen.status_code, seen.get_json()["count"]) == (200, 0)


def test_the_dots_of_a_secret_are_stored_nowhere(site: Site) -> None:
    program = site.program(Role.ADMIN)
    rest = {"actor": "unlock", "cron": "0 3 * * *"}
    for arguments in ({"kwargs": {"key": DOTS, "login": None}}, {"args": [DOTS, None]}):
        assert "hide a secret" in program.post("/api/v1/schedules", {"name": "dots", **rest, **arguments}).text
        step = {"name": "one", "actor": "unlock", **arguments}
        assert "hide a secret" in program.post("/api/v1/workflows", {"name": "w", "steps": [step]}).text
        after = {**step, "name": "two", "after": ["one"]}
        assert (
            "hide a secret"
            in program.post(
                "/api/v1/workflows", {"name": "w", "steps": [{**step, "actor": "add", "args": [1, 2], "kwargs": {}}, after]}
            ).text
        )

    made = program.post("/api/v1/schedules", {"name": "real", **rest, "args": ["s3cret", None]})
    assert made.status_code == 201, made.text
    changed = program.patch(f"/api/v1/schedules/{made.get_json()['id']}", {"args": [], "kwargs": {"key": DOTS, "login": None}})
    assert changed.status_code == 422, changed.text


def test_a_bulk_action_of_a_higher_role_is_not_run_again_by_a_lower_one(site: Site) -> None:
    fill(1)
    before = defaults.of("add")
    defaults.declare("add", replace(before, submit_role="admin"))
    try:
        orders = {
            role: site.program(role).post("/api/v1/jobs/many", {"verb": "retry", "q": "actor:add state:dead", "count": count}).get_json()
            for role, count in ((Role.ADMIN, 1), (Role.OPERATOR, 0))
        }
        with write() as session:
            session.execute(update(Job).where(Job.actor == "act_on_jobs").values(state=State.CANCELLED, finished_at=now(), publish_at=None))
        operator = site.program(Role.OPERATOR)
        assert operator.post(f"/api/v1/jobs/{orders[Role.ADMIN]['id']}/retry").status_code == 403
        assert operator.post(f"/api/v1/jobs/{orders[Role.ADMIN]['id']}/re-run").status_code in (403, 404, 405)
        assert site.program(Role.ADMIN).post(f"/api/v1/jobs/{orders[Role.ADMIN]['id']}/retry").status_code == 200
    finally:
        defaults.declare("add", before)


def loose(key: Any = None, more: Any = None) -> None:
    """An actor that takes anything, and no secret."""


def test_a_schedule_that_gets_another_actor_takes_no_sealed_secret_along(site: Site) -> None:
    with declared(loose, actor_name="loose"):
        program = site.program(Role.ADMIN)
        made = program.post("/api/v1/schedules", {"name": "s", "actor": "unlock", "kwargs": {"key": "s3cret"}, "cron": "0 3 * * *"})
        path = f"/api/v1/schedules/{made.get_json()['id']}"

        assert program.patch(path, {"actor": "loose"}).status_code == 200
        assert "sealed" not in program.get(path).text
        assert program.patch(path, {"actor": "unlock", "args": ["s3cret"]}).status_code == 200
        refused = program.patch(path, {"actor": "loose", "args": [DOTS]})
        assert (refused.status_code, "sealed as a secret" in refused.text) == (422, True)
        assert program.patch(path, {"actor": "add", "args": [1, 2]}).status_code == 200
        assert "sealed" not in program.get(path).text


def test_a_unique_key_of_a_limited_caller_neither_finds_nor_blocks_a_job_of_another_actor(site: Site) -> None:
    admin, limited = site.program(Role.ADMIN), site.program(Role.SUBMITTER, actors=["add"])
    theirs = admin.submit("mul", 1, 2, unique_key="invoice-7")

    mine = limited.submit("add", 1, 2, unique_key="invoice-7")
    assert mine != theirs
    assert limited.submit("add", 1, 2, unique_key="invoice-7") == mine
    assert limited.submit("add", 1, 2, unique_key="add:invoice-7") == mine
    limited.submit("add", 1, 2, unique_key="customer-9")

    found = admin.get(f"/api/v1/jobs/{admin.submit('mul', 1, 2, unique_key='customer-9')}").get_json()
    assert found["actor"] == "mul"
    assert limited.post("/api/v1/jobs", {"actor": "add", "args": [1, 2], "unique_key": "k" * 253}).status_code == 422
