"""Internal actors: only Callboard itself can submit their jobs, whatever the way."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import func, select

from src.broker.options.errors import InvalidOption
from src.broker.options.submission import SubmissionOptions
from src.jobs.core.models import Job
from src.operations.jobs import actor_catalogue
from src.operations.people.roles import Role
from src.schedules.rows.models import Schedule
from tests.harness.site import Site

INTERNAL = "act_on_jobs"
ORDER = {"verb": "cancel", "query": "state:queued", "up_to": 10, "asked_at": "2026-01-01T00:00:00Z", "by": "somebody else", "role": "admin"}


def rows(site: Site, table: type[Job] | type[Schedule]) -> int:
    with site.database.read() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.mark.parametrize("role", [Role.SUBMITTER, Role.ADMIN])
def test_no_door_makes_a_job_of_an_internal_actor(site: Site, role: Role) -> None:
    program, visit = site.program(role), site.browser(role)
    call = {"actor": INTERNAL, "kwargs": ORDER}
    answers = [
        program.post("/api/v1/jobs", call),
        program.post("/api/v1/jobs/bulk", [call]),
        program.post(f"/api/v1/actors/{INTERNAL}/jobs", {"kwargs": ORDER}),
        program.post("/api/v1/workflows", {"name": "w", "steps": [{"name": "a", **call}]}),
        program.post("/api/v1/schedules", {"name": "s", "every": "1m", **call}),
        visit.get(f"/actors/{INTERNAL}"),
        visit.get(f"/actors/{INTERNAL}/rows"),
        visit.client.post(f"/actors/{INTERNAL}", data={**visit.hidden("/actors/add"), **ORDER}),
        visit.client.post(
            f"/actors/{INTERNAL}/rows", data={**visit.hidden("/actors/add"), "file": (io.BytesIO(b"verb,query\ncancel,x\n"), "rows.csv")}
        ),
    ]

    assert [(answer.request.path, answer.text) for answer in answers if answer.status_code not in (403, 404, 422)] == []
    assert (rows(site, Job), rows(site, Schedule)) == (0, 0)


def test_nobody_is_offered_one_but_it_can_be_paused(site: Site) -> None:
    assert INTERNAL not in site.browser().get("/actors").text
    assert f"/api/v1/actors/{INTERNAL}/jobs" not in site.program().get("/api/v1/openapi.json").get_json()["paths"]
    assert {"act_on_jobs", "deliver_mail", "deliver_webhook"}.isdisjoint(actor.actor_name for actor in actor_catalogue.entries())
    assert site.program().post("/api/v1/pauses", {"target": f"actor:{INTERNAL}"}).status_code in (200, 201)


def test_a_senseless_value_is_refused() -> None:
    from dramatiq import Actor
    from dramatiq.brokers.stub import StubBroker

    with pytest.raises(InvalidOption, match="internal must be True or False"):
        Actor(
            rows,
            broker=StubBroker(middleware=[SubmissionOptions()]),
            actor_name="t",
            queue_name="q",
            priority=0,
            options={"internal": "yes"},
        )
