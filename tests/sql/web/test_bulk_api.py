"""Bulk actions by API: the count that the client saw is the guard."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from src import audit
from src.jobs import State
from src.operations.people.roles import Role
from src.sql.database import read
from tests.harness.site import Site
from tests.sql.web.test_bulk import carry_out, counts, fill, lines

pytestmark = pytest.mark.both_stores

ADDRESS = "/api/v1/jobs/many"


def test_a_program_looks_says_the_count_it_saw_and_follows_the_job_that_does_it(site: Site) -> None:
    fill(60)
    fill(2, state=State.SUCCEEDED)
    program = site.program(Role.OPERATOR)
    seen = program.get(f"{ADDRESS}?verb=retry&q=actor:add").get_json()
    assert (seen["count"], seen["states"], seen["left_alone"]) == (60, {"dead": 60}, {"succeeded": 2})
    assert seen["in_words"] == "jobs whose actor is add"

    answer = program.post(ADDRESS, {"verb": "retry", "q": "actor:add", "count": seen["count"]})
    assert answer.status_code == 202
    id = answer.get_json()["id"]
    assert program.get(f"/api/v1/jobs/{id}").get_json()["actor"] == "act_on_jobs"
    fill(3)  # came later: not meant

    assert carry_out()["done"] == 60
    assert counts() == {State.QUEUED: 60, State.SUCCEEDED: 2, State.DEAD: 3}
    assert (lines("bulk.start"), lines("job.retry")) == (1, 60)
    with read() as session:
        written = select(audit.AuditEntry.via).where(audit.AuditEntry.action == "job.retry").distinct()
        assert session.execute(written).scalars().all() == [audit.Via.API]


def test_another_number_than_was_seen_is_refused_with_the_one_there_is_and_nothing_done(site: Site) -> None:
    fill(3)
    program = site.program(Role.OPERATOR)
    fill(1)
    answer = program.post(ADDRESS, {"verb": "discard", "q": "", "count": 3})
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (409, "count")
    assert answer.get_json()["detail"] == "0 jobs match now, not 3."
    answer = program.post(ADDRESS, {"verb": "retry", "q": "state:dead", "count": 3})
    assert (answer.status_code, answer.get_json()["detail"]) == (409, "4 jobs match now, not 3. Check again, then send count 4.")
    assert counts("actor:act_on_jobs") == {}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"verb": "delete", "count": 1}, "verb"),
        ({"verb": "retry"}, "count"),
        ({"verb": "retry", "count": "1"}, "count"),
        ({"verb": "retry", "count": 1, "q": "state:nonsense"}, "q"),
        ({"verb": "retry", "count": 1, "q": "\0abc"}, "q"),
        ({"verb": "retry", "count": 1, "q": "\ud800abc"}, "q"),
        ({"verb": "retry", "count": 1, "query": "state:dead"}, "query"),
    ],
)
def test_an_invalid_selection_is_named_by_its_field(site: Site, body: dict[str, Any], field: str) -> None:
    answer = site.program(Role.OPERATOR).post(ADDRESS, body)
    assert answer.status_code == 422, answer.text
    assert field in [each["field"] for each in answer.get_json()["errors"]]


def test_a_user_limited_to_some_actors_acts_on_single_jobs_only(site: Site) -> None:
    fill(1)
    program = site.program(Role.OPERATOR, actors=["add"])
    assert program.post(ADDRESS, {"verb": "retry", "q": "", "count": 1}).status_code == 403
