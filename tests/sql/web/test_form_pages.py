"""An actor's form as filled in without JavaScript: nested values, rows, options, and a schedule from it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from werkzeug.test import TestResponse

import tests.actors.web
from src.jobs import State
from src.jobs.core.models import Job
from src.jobs.read import queries
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import read
from tests.harness.site import Site, Visit, in_words

assert tests.actors.web

ROW = {"items-rows": "1", "items.0.name": "pen", "items.0.count": "2", "to-present": "1"}


@pytest.fixture
def visit(site: Site) -> Visit:
    return site.browser(Role.OPERATOR)


def _job(answer: TestResponse) -> Job:
    assert answer.status_code == 303, in_words(answer.text)
    with read() as session:
        found = queries.find(session, answer.location.rsplit("/", 1)[1])
    assert found is not None
    return found


def test_nested_models_and_rows_become_the_jobs_arguments(visit: Visit) -> None:
    to = {"to-given": "1", "to.street": "High Street", "to.floor": "3"}
    job = _job(visit.fill_in("/actors/order", **ROW, **to))
    assert job.kwargs == {"items": [{"name": "pen", "count": 2}], "to": {"street": "High Street", "floor": 3}, "wrapped": False}


def test_a_parameter_that_is_called_as_the_forms_own_input_is_the_actors(visit: Visit) -> None:
    @dramatiq.actor(queue_name="linger")
    def hand_over(csrf_token: str) -> None: ...

    job = _job(visit.fill_in("/actors/hand_over", csrf_token="mine"))
    assert job.kwargs == {"csrf_token": "mine"}
    assert visit.client.post("/actors/hand_over", data={"csrf_token": "mine"}).status_code == 400


def test_a_button_adds_a_row_without_complaining_and_keeps_what_was_typed(visit: Visit) -> None:
    answer = visit.fill_in("/actors/order", **{**ROW, "to.street": "High", "form-more": "items"})
    assert answer.status_code == 200
    assert 'name="items.0.name"' in answer.text
    assert 'value="pen"' in answer.text
    assert 'name="items.1.name"' in answer.text
    values = dict(re.findall(r'name="(items\.\d\.count)"[^>]* value="(\d+)"', answer.text))
    assert values == {"items.0.count": "2", "items.1.count": "1"}  # as typed, and as the code says
    assert "There is a problem" not in answer.text


def test_an_error_within_a_row_is_shown_at_its_input_and_in_the_summary(visit: Visit) -> None:
    answer = visit.fill_in("/actors/order", **{**ROW, "items.0.count": "0", "to-given": "1", "to.floor": "99"})
    assert answer.status_code == 422
    assert '<a href="#field-items.0.count">Items 1 › Count: Enter 1 or more.</a>' in answer.text
    assert '<a href="#field-to.street">To › Street: Required.</a>' in answer.text
    assert 'id="field-to.floor-error"' in answer.text
    assert "<title>Error: " in answer.text


@pytest.mark.parametrize("typed", [{"how-delay": "2h"}, {"how-eta": "2040-01-01T09:00", "how-eta-zone": "Europe/Berlin"}])
def test_a_job_may_be_for_later_urgent_and_the_only_one_of_its_key(visit: Visit, typed: dict[str, str]) -> None:
    how = {**typed, "how-priority": "8", "how-unique-key": "only one"}
    job = _job(visit.fill_in("/actors/order", **ROW, **how))
    assert (job.state, job.priority, job.unique_key) == (State.SCHEDULED, 8, "only one")
    assert job.due_at is not None
    if "how-delay" in typed:
        assert timedelta(minutes=115) < job.due_at - now() <= timedelta(hours=2)
    else:
        assert job.due_at.isoformat() == "2040-01-01T08:00:00+00:00"
    again = visit.fill_in("/actors/order", **ROW, **how)
    assert _job(again).id == job.id


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"how-delay": "soon"}, "Give a duration such as"),
        ({"how-delay": "5m", "how-eta": "2040-01-01T09:00"}, "Give Start after or Start at, not both."),
        ({"how-eta": "tomorrow"}, "Give a time such as"),
        ({"how-eta": "2030-03-31T02:30", "how-eta-zone": "Europe/Berlin"}, "does not exist in Europe/Berlin"),
        ({"how-priority": "10"}, "Enter a number from 0 to 9."),
        ({"how-expires": "2001-01-01T00:00"}, "Expires: This is in the past"),
        ({"how-delay": "2d", "how-expires": "2040-01-01T09:00", "how-unique-key": "\x00"}, "unique_key must be a text"),
        ({"how-eta": "2041-01-01T09:00", "how-expires": "2040-01-01T09:00"}, "The job would expire before it can start"),
    ],
)
def test_when_and_how_are_checked_at_their_fields_and_stay_open(visit: Visit, typed: dict[str, Any], told: str) -> None:
    answer = visit.fill_in("/actors/order", **ROW, **typed)
    assert answer.status_code == 422
    assert told in in_words(answer.text)
    assert '<details class="how" open>' in answer.text


def test_the_form_leads_to_a_schedule_with_the_arguments_filled_in(site: Site, visit: Visit) -> None:
    assert 'formaction="/schedules/new?actor=order"' in visit.get("/actors/order").text
    assert "schedules/new" not in site.browser(Role.SUBMITTER).get("/actors/order").text
    answer = visit.client.post("/schedules/new?actor=order", data={**visit.hidden("/actors/order"), **ROW, "items.0.name": "ink"})
    assert answer.status_code == 200
    assert 'value="ink"' in answer.text
    assert 'value="0 6 * * *"' in answer.text


def test_a_waiting_jobs_rows_are_edited_as_they_were_given(visit: Visit) -> None:
    job = _job(visit.fill_in("/actors/order", **ROW, **{"how-delay": "1h", "to-given": "1", "to.street": "Old"}))
    page = visit.get(f"/jobs/{job.id}/edit").text
    assert 'name="to-given" value="1" checked' in page
    sent = {**ROW, "items.0.count": "5", "to-given": "1", "to.street": "New", "to.floor": "0", "job-priority": "5"}
    assert visit.fill_in(f"/jobs/{job.id}/edit", **sent).status_code == 303
    with read() as session:
        changed = queries.find(session, job.id)
    assert changed is not None
    assert changed.kwargs == {"items": [{"name": "pen", "count": 5}], "to": {"street": "New", "floor": 0}, "wrapped": False}
