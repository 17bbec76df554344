"""The form that changes a waiting job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from src.jobs import State
from src.jobs.core.models import Job
from src.operations.people.roles import Role
from src.sql.database import read, write
from src.web.forms.edit_form import EditForm
from tests.harness.site import Site, in_words

HELD = {"state": State.HELD, "held_for": "arguments"}


def _job(id: str) -> Job:
    with read() as session:
        return session.execute(select(Job).where(Job.id == id)).scalar_one()


def _become(id: str, **values: Any) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))


def test_the_form_shows_the_job_as_it_is_and_changes_what_was_typed(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    id = site.program().submit("add", 1, 2, eta="2090-01-01T10:00:00Z")
    shown = visit.get(f"/jobs/{id}/edit").text
    assert 'value="2090-01-01T10:00:00"' in shown
    answer = visit.fill_in(
        f"/jobs/{id}/edit", x="1", y="7", **{"job-due": "2090-01-01T11:30:00", "job-expires": "2091-02-03T04:05:06", "job-priority": "8"}
    )
    assert answer.status_code == 303, in_words(answer.text)
    job = _job(id)
    assert (job.args, job.kwargs, job.priority) == ([], {"x": 1, "y": 7}, 8)
    assert (job.due_at, job.expires_at) == (datetime(2090, 1, 1, 11, 30, tzinfo=UTC), datetime(2091, 2, 3, 4, 5, 6, tzinfo=UTC))
    assert "Job changed." in in_words(visit.get(f"/jobs/{id}").text)


def test_errors_are_shown_beside_their_fields_and_change_nothing(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    id = site.program().submit("add", 1, 2, delay="1h")
    due = _job(id).due_at
    answer = visit.fill_in(f"/jobs/{id}/edit", x="one", y="", **{"job-due": "never", "job-priority": "10"})
    assert answer.status_code == 422
    words = in_words(answer.text)
    assert "Due: Give a time such as" in words
    assert "Priority: Enter a number from 0 to 9." in words
    assert "Required." in words or "Enter a whole number." in words
    assert 'value="one"' in answer.text
    assert (_job(id).args, _job(id).due_at) == ([1, 2], due)
    early = visit.fill_in(f"/jobs/{id}/edit", x="1", y="2", **{"job-expires": "2020-02-03T04:05:06", "job-priority": "5"})
    assert (early.status_code, "Expires: The job would expire before it can start" in in_words(early.text)) == (422, True)
    same = visit.fill_in(f"/jobs/{id}/edit", x="1", y="2", **{"job-priority": "5"})
    assert same.status_code == 303
    assert "nothing to change" in in_words(visit.get(f"/jobs/{id}").text)


def test_arguments_that_fit_no_more_are_mended_and_the_job_waits_on(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    id = site.program().submit("add", 1, 2)
    _become(id, args=[1], kwargs={"z": 5}, **HELD)
    assert visit.fill_in(f"/jobs/{id}/edit", x="1", y="2", **{"job-priority": "5"}).status_code == 303
    assert (_job(id).kwargs, _job(id).state) == ({"x": 1, "y": 2}, State.HELD)


def test_a_job_that_started_meanwhile_is_left_alone(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    id = site.program().submit("add", 1, 2)
    fields = {**visit.hidden(f"/jobs/{id}/edit"), "x": "5", "y": "6", "job-priority": "5"}
    _become(id, state=State.RUNNING)
    assert visit.client.post(f"/jobs/{id}/edit", data=fields).status_code == 303
    assert _job(id).args == [1, 2]
    assert "Failed: the job is running" in in_words(visit.get(f"/jobs/{id}").text)
    assert visit.get(f"/jobs/{id}/edit").status_code == 303


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUBMITTER])
def test_users_who_may_not_change_a_job_see_no_edit_link(site: Site, role: Role) -> None:
    id = site.program().submit("add", 1, 2, delay="1h")
    assert f"/jobs/{id}/edit" in site.browser(Role.OPERATOR).get(f"/jobs/{id}").text
    assert f"/jobs/{id}/edit" not in site.browser(role).get(f"/jobs/{id}").text


def test_the_form_of_a_job_whose_actor_is_unknown_changes_all_but_its_arguments(site: Site) -> None:
    id = site.program().submit("add", 1, 2)
    _become(id, actor="gone")
    form = EditForm.of(_job(id))
    assert (form.signature, form.arguments) == (None, [])
    visit = site.browser(Role.OPERATOR)
    assert visit.fill_in(f"/jobs/{id}/edit", **{"job-priority": "9"}).status_code == 303
    assert (_job(id).priority, _job(id).args) == (9, [1, 2])
