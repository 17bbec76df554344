"""A form that is sent back untouched changes nothing: Change, Re-run with edits, a schedule's edit, ?like= and presets."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Any

import dramatiq
import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

import src.actors
from src.jobs.core.models import Job
from src.jobs.read import queries
from src.jobs.submit import defaults
from src.jobs.submit.defaults import Defaults
from src.operations.arguments import untouched_form
from src.operations.arguments.field import Field
from src.operations.people.roles import Role
from src.schedules.rows.models import Schedule
from src.sql.database import read, write
from src.web.forms.edit_form import EditForm
from src.web.forms.job_form import Form
from src.web.forms.rerun_form import RerunForm
from src.web.forms.schedule_form import ScheduleForm
from tests.harness.site import Site, Visit

assert src.actors  # first: it makes the broker

VALUES = {
    "text": "one\ntwo\n",
    "at": "2030-10-27T02:30:00.000001+01:00",
    "naive": "2030-03-31T02:30:00",
    "tea": "10:00:00+02:00",
    "lines": [" a\nb ", ""],
    "blank": " ",
}


@dramatiq.actor(queue_name="linger", max_retries=0)
def keep_values(
    text: str, at: datetime, naive: datetime, tea: time, lines: list[str], blank: str, size: int = 5, either: float | str = 1.0
) -> None:  # fmt: skip
    """Keep what it is given."""


@pytest.fixture
def visit(site: Site) -> Visit:
    return site.browser(Role.OPERATOR)


@pytest.fixture
def job(site: Site) -> Job:
    id = site.program().submit("keep_values", kwargs=VALUES, eta="2089-10-30T00:30:00.000001Z")
    assert _job(id).kwargs == VALUES
    return _job(id)


def _job(id: str) -> Job:
    with read() as session:
        found = queries.find(session, id)
    assert found is not None
    return found


def _send(visit: Visit, path: str, fields: list[Field], action: str | None = None, **typed: Any) -> TestResponse:
    answer = visit.fill_in(path, action=action, **{**_pairs(fields), **typed})
    assert answer.status_code == 303, answer.text
    return answer


def test_a_change_of_the_priority_alone_changes_the_priority_alone(visit: Visit, job: Job) -> None:
    _send(visit, f"/jobs/{job.id}/edit", EditForm.of(job).fields, **{"job-priority": "8"})
    changed = _job(job.id)
    assert (changed.priority, changed.kwargs, changed.due_at) == (8, VALUES, job.due_at)


def test_a_change_of_one_into_true_is_a_change(site: Site, visit: Visit) -> None:
    id = site.program().submit("anything_goes", 1, eta="2089-10-30T00:30:00Z")
    _send(visit, f"/jobs/{id}/edit", EditForm.of(_job(id)).fields, value="true")
    assert _job(id).kwargs == {"value": True}
    assert type(_job(id).kwargs["value"]) is bool


@dramatiq.actor(queue_name="linger", max_retries=0)
def anything_goes(value: Any) -> None:
    """Take anything."""


def test_a_job_whose_arguments_do_not_fit_any_more_can_have_another_priority(visit: Visit, job: Job) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(kwargs={**VALUES, "size": "many"}))
    _send(visit, f"/jobs/{job.id}/edit", EditForm.of(_job(job.id)).fields, **{"job-priority": "8"})
    assert (_job(job.id).priority, _job(job.id).kwargs["size"]) == (8, "many")


def test_a_rerun_with_edits_has_the_fair_key_of_its_own_arguments(site: Site, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(defaults._declared, "anything_goes", Defaults(fair_by=lambda value: f"customer {value}"))
    for options, key in (({}, "customer 2"), ({"fair_key": "ours"}, "ours")):
        id = site.program().submit("anything_goes", 1, **options)
        _send(visit, f"/jobs/{id}/re-run", RerunForm.of(_job(id)).fields, action=f"/jobs/{id}/re-run-with-edits", value="2")
        with read() as session:
            assert session.execute(select(Job.fair_key).where(Job.rerun_of == id)).scalar_one() == key


@pytest.mark.parametrize("layout", ["named", "positional"])
def test_a_rerun_without_edits_has_the_same_arguments(site: Site, visit: Visit, layout: str) -> None:
    given: dict[str, Any] = {"kwargs": VALUES} if layout == "named" else {"args": list(VALUES.values())}
    job = _job(site.program().post("/api/v1/jobs", {"actor": "keep_values", **given}).get_json()["id"])
    answer = _send(visit, f"/jobs/{job.id}/re-run", RerunForm.of(job).fields, action=f"/jobs/{job.id}/re-run-with-edits")
    again = _job(answer.location.rsplit("/", 1)[1])
    assert (again.args, again.kwargs) == (job.args, job.kwargs)


def test_a_form_like_a_job_and_a_preset_submit_what_they_show(visit: Visit, job: Job) -> None:
    form = Form.of("keep_values").filled(VALUES)
    page = f"/actors/keep_values?like={job.id}"
    assert 'name="at-was"' in visit.get(page).text
    submitted = _send(visit, page, form.fields, action="/actors/keep_values")
    assert _job(submitted.location.rsplit("/", 1)[1]).kwargs == VALUES

    saved = visit.client.post(
        "/actors/keep_values/presets",
        data={**visit.hidden(page, action="/actors/keep_values"), **_pairs(form.fields), "preset-name": "mine"},
    )
    submitted = _send(visit, saved.location, form.fields, action="/actors/keep_values")
    assert _job(submitted.location.rsplit("/", 1)[1]).kwargs == VALUES


def _pairs(fields: list[Field]) -> dict[str, Any]:
    return dict(untouched_form.sent(fields).lists())


def test_a_form_with_a_mistake_comes_back_with_what_was_not_touched(visit: Visit, job: Job) -> None:
    page = f"/actors/keep_values?like={job.id}"
    sent = {**visit.hidden(page, action="/actors/keep_values"), **_pairs(Form.of("keep_values").filled(VALUES).fields)}
    wrong = visit.client.post("/actors/keep_values", data={**sent, "size": "many"})
    assert wrong.status_code == 422
    assert re.findall('name="(.*?)-was"', wrong.text) == re.findall('name="(.*?)-was"', visit.get(page).text)
    assert re.search(r"one\s+two\s+</textarea>", wrong.text)


@pytest.mark.parametrize(
    "rule", [{"at": "2089-10-30T00:30:00.000001Z", "grace": 0}, {"every": "1h", "starts_at": "2089-10-30T01:30:00.5Z", "jitter": 0}]
)
def test_a_schedule_saved_untouched_says_the_same(site: Site, visit: Visit, rule: dict[str, Any]) -> None:
    body = {"name": "kept", "actor": "keep_values", "kwargs": VALUES, "zone": "Europe/Berlin", **rule}
    assert site.program().post("/api/v1/schedules", body).status_code == 201
    before = _schedule()
    form = ScheduleForm.of(before)
    _send(visit, f"/schedules/{before.id}/edit", form.fields)
    assert _schedule().draft == before.draft
    # The zone is that of the instants on the page: with another one, what is shown means another instant.
    _send(
        visit, f"/schedules/{before.id}/edit", form.fields, **{"schedule-zone": "Asia/Tokyo", "schedule-version": str(_schedule().version)}
    )
    assert (_schedule().at or _schedule().starts_at) != (before.at or before.starts_at)
    assert _schedule().kwargs == VALUES


def _schedule() -> Schedule:
    with read() as session:
        return session.execute(select(Schedule).where(Schedule.name == "kept")).scalar_one()
