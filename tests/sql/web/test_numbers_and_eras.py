"""Numbers and instants at the ends of their ranges: refused where they enter, and shown where they are already."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from src.jobs.core.models import Job
from src.operations.people.roles import Role
from src.sql.database import write
from tests.harness.site import Site

NEVER = "9999-12-31T23:59:59Z"
ZEROS_THEN_MANY = ["00000010099", "000000001000000000", "000000001" + "9" * 30, "1" + "9" * 5_000]


@pytest.mark.parametrize("number", ZEROS_THEN_MANY, ids=len)
@pytest.mark.parametrize("path", ["jobs?limit=", "schedules/1/ticks?limit=", "audit?limit=", "usage?days="])
def test_zeros_in_front_of_a_number_do_not_lift_its_limit(site: Site, path: str, number: str) -> None:
    program = site.program(Role.ADMIN)
    program.post("/api/v1/schedules", {"name": "nightly", "actor": "add", "args": [1, 2], "cron": "0 3 * * *"})

    assert program.get(f"/api/v1/{path}{number}").status_code == 422


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("jobs", {"actor": "add", "args": [1, 2], "eta": NEVER}),
        ("jobs", {"actor": "add", "args": [1, 2], "expires": NEVER}),
        ("pauses", {"target": "queue:default", "until": NEVER}),
    ],
)
def test_an_instant_that_not_every_time_zone_has_is_refused(site: Site, path: str, body: dict[str, object]) -> None:
    program = site.program(Role.ADMIN)
    answer = program.post(f"/api/v1/{path}", body)

    assert answer.status_code == 422, answer.get_json()
    assert "9000" in answer.text
    assert program.get(f"/api/v1/statistics?from=9000-01-01T00:00:00Z&until={NEVER}").status_code == 422


def test_such_an_instant_that_is_in_a_row_already_is_shown(site: Site) -> None:
    id = site.program().submit("add", 1, 2)
    with write() as session:
        never = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        session.execute(update(Job).where(Job.id == id).values(expires_at=never, due_at=never, created_at=never))
    browser = site.browser()
    browser.client.set_cookie("callboard_zone", "Europe/Berlin")

    for path in (f"/jobs/{id}", "/jobs", "/actors/add?tab=jobs", "/"):
        assert browser.get(path).status_code == 200, path
