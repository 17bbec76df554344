"""The pages as the server renders them: forms, jobs, lists, held jobs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from dramatiq import Message
from sqlalchemy import insert, select, update

from src.actors.accounts import UserAccount
from src.jobs import State
from src.jobs.control.held import Unreadable, hold_foreign, hold_unreadable
from src.jobs.core.models import Attempt, Job
from src.jobs.core.states import Outcome, Unique
from src.jobs.options.job_options import JobOptions
from src.jobs.submit import defaults
from src.jobs.submit.defaults import Defaults
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import read, write
from tests.harness.site import Site, Visit, in_words

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def _jobs() -> list[Job]:
    with read() as session:
        return list(session.execute(select(Job).order_by(Job.seq)).scalars())


def _submit(visit: Visit, actor: str, **fields: Any) -> str:
    answer = visit.fill_in(f"/actors/{actor}", **fields)
    assert answer.status_code == 303, in_words(answer.text)
    return answer.location.removeprefix("/jobs/")


def _change(id: str, **values: Any) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))


def _add_attempt(id: str, number: int, **values: Any) -> None:
    with write() as session:
        seq = session.execute(select(Job.seq).where(Job.id == id)).scalar_one()
        moment = {"worker": "host:1", "started_at": now(), "finished_at": now()}
        session.execute(insert(Attempt).values(job_seq=seq, number=number, **moment, **values))


def test_a_submitted_form_is_a_job_of_the_person_and_leads_to_its_page(site: Site) -> None:
    visit = site.browser(Role.SUBMITTER)
    id = _submit(visit, "add", x="1", y="2")
    [job] = _jobs()
    assert (job.id, job.actor, job.kwargs, job.source, job.state) == (id, "add", {"x": 1, "y": 2}, "form", State.QUEUED)
    assert job.submitted_by is not None
    assert "Job submitted." in in_words(visit.get(f"/jobs/{id}").text)


def test_a_form_for_which_a_job_of_its_unique_key_stands_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(defaults._declared, "add", Defaults(JobOptions(unique_until=Unique.FINISHED)))
    visit = site.browser(Role.SUBMITTER)
    first = _submit(visit, "add", x="1", y="2")
    visit.get(f"/jobs/{first}")

    assert _submit(visit, "add", x="1", y="2") == first

    page = in_words(visit.get(f"/jobs/{first}").text)
    assert f"No new job: a job of its unique key stands for it: {first}, queued." in page
    assert "submitted." not in page


def test_a_wrong_form_keeps_what_was_typed_names_each_field_and_makes_no_job(site: Site) -> None:
    answer = site.browser().fill_in("/actors/add", x="one", y="2")
    assert answer.status_code == 422
    assert "<title>Error: Add two numbers" in answer.text
    assert '<a href="#field-x">X: Enter a whole number.</a>' in answer.text
    assert 'value="one"' in answer.text
    assert 'value="2"' in answer.text
    assert _jobs() == []


def test_the_same_form_sent_twice_is_one_job(site: Site) -> None:
    visit = site.browser()
    form = {**visit.hidden("/actors/add"), "x": "1", "y": "2"}
    first, second = (visit.client.post("/actors/add", data=form) for _ in range(2))
    assert first.location == second.location
    assert len(_jobs()) == 1
    changed = visit.client.post("/actors/add", data={**form, "y": "3"})
    assert changed.status_code == 422
    assert "This form was already submitted with other values." in in_words(changed.text)
    assert len(_jobs()) == 1


def test_two_people_cannot_meet_in_one_forms_key(site: Site) -> None:
    one, other = site.browser(), site.browser()
    for visit in (one, other):
        assert visit.fill_in("/actors/add", x="1", y="2", **{"form-key": "same"}).status_code == 303
    assert len(_jobs()) == 2


def test_a_short_id_leads_to_the_job_and_an_unknown_one_nowhere(site: Site) -> None:
    visit = site.browser()
    id = _submit(visit, "add", x="1", y="2")
    assert visit.get(f"/jobs/{id[:20]}").location == f"/jobs/{id}"
    assert visit.get("/jobs/ffffffff").status_code == 404
    assert visit.get("/actors/nobody").status_code == 404


def test_a_waiting_job_is_cancelled_and_queued_again_from_its_page(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    id = _submit(visit, "add", x="1", y="2")
    assert visit.fill_in(f"/jobs/{id}", action=f"/jobs/{id}/cancel").location == f"/jobs/{id}"
    assert _jobs()[0].state is State.CANCELLED
    assert "Job cancelled." in in_words(visit.get(f"/jobs/{id}").text)
    visit.fill_in(f"/jobs/{id}", action=f"/jobs/{id}/retry")
    assert _jobs()[0].state is State.QUEUED


def test_an_action_that_came_too_late_says_so(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    id = _submit(visit, "add", x="1", y="2")
    form = visit.hidden(f"/jobs/{id}", action=f"/jobs/{id}/cancel")
    _change(id, state=State.SUCCEEDED, finished_at=now())
    visit.client.post(f"/jobs/{id}/cancel", data=form)
    assert "Failed: the job is succeeded: only one that waits or runs can be cancelled." in in_words(visit.get(f"/jobs/{id}").text)


def test_users_without_the_right_see_no_buttons(site: Site) -> None:
    id = _submit(site.browser(Role.SUBMITTER), "add", x="1", y="2")
    assert f"/jobs/{id}/cancel" not in site.browser(Role.SUBMITTER).get(f"/jobs/{id}").text
    assert f"/jobs/{id}/cancel" in site.browser(Role.OPERATOR).get(f"/jobs/{id}").text


def test_a_jobs_page_shows_attempts_newest_first_with_their_tracebacks(site: Site) -> None:
    visit = site.browser()
    id = _submit(visit, "divide", x="1", y="0")
    _change(id, state=State.DEAD, attempt=2, error="ZeroDivisionError: float division by zero", finished_at=now())
    for number in (1, 2):
        _add_attempt(
            id, number, outcome=Outcome.FAILED, error="ZeroDivisionError", traceback=f"Traceback of number {number}\nZeroDivisionError"
        )
    page = visit.get(f"/jobs/{id}").text
    assert page.index("Traceback of number 2") < page.index("Traceback of number 1")
    assert "ZeroDivisionError: float division by zero" in page
    assert "host:1" in page


def test_a_page_of_a_job_that_goes_on_loads_itself_again_where_scripts_are_off(site: Site) -> None:
    visit = site.browser()
    id = _submit(visit, "add", x="1", y="2")
    refresh = '<noscript><meta http-equiv="refresh"'
    assert refresh in visit.get(f"/jobs/{id}").text
    assert refresh in visit.get(f"/users?job={id}").text
    _change(id, state=State.SUCCEEDED, result=3, finished_at=now())
    done = visit.get(f"/jobs/{id}").text
    assert refresh not in done
    assert "hx-sse:connect" not in done


def test_progress_is_shown_with_its_words(site: Site) -> None:
    visit = site.browser()
    id = _submit(visit, "add", x="1", y="2")
    _change(id, state=State.RUNNING, started_at=now(), attempt=1, progress_done=1200, progress_total=5000, progress_message="step <b>")
    page = visit.get(f"/jobs/{id}").text
    assert '<progress aria-label="Progress" value="1200" max="5000">' in page
    assert "1\u202f200 of 5\u202f000" in page
    assert "step &lt;b&gt;" in page


def test_the_list_is_filtered_by_state_and_actor_and_paged_by_key(site: Site) -> None:
    visit, program = site.browser(), site.program()
    added = [program.submit("add", 1, 2) for _ in range(60)]
    program.submit("mul", 1, 2)
    _change(added[0], state=State.DEAD)

    def ids(path: str) -> list[str]:
        return re.findall(r'<th scope="row"><a href="/jobs/([^"]+)"', visit.get(path).text)

    assert ids("/jobs?state=dead") == [added[0]]
    assert len(ids("/jobs?actor=mul")) == 1
    first = visit.get("/jobs?actor=add").text
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    seen = ids("/jobs?actor=add") + ids(older[1].replace("&amp;", "&"))
    assert seen == added[::-1]
    assert "There is no state &#39;lost&#39;" in visit.get("/jobs?state=lost").text


def test_a_held_message_is_shown_with_its_reason_and_released_or_discarded(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    message: Message[Any] = Message("default", "add", (1, 2), {}, {}, message_id="by-hand")
    with write() as session:
        hold_foreign(session, [("default", message)], run=False)
        hold_unreadable(session, [Unreadable("default", b"no json <b>", "not JSON", False)])
    text = in_words(visit.get("/held").text)
    assert "message was not submitted here" in text
    assert "Not a Dramatiq message: not JSON." in text
    assert visit.fill_in("/held", action="/jobs/by-hand/release", **{"from": "held"}).location == "/held"
    unreadable = next(job for job in _jobs() if job.actor is None)
    assert f"/jobs/{unreadable.id}/release" not in visit.get("/held").text
    visit.fill_in("/held", action=f"/jobs/{unreadable.id}/discard")
    assert [job.state for job in _jobs()] == [State.QUEUED, State.CANCELLED]
    assert "no json &lt;b&gt;" in visit.get(f"/jobs/{unreadable.id}").text


def test_an_empty_users_list_leads_to_the_form(site: Site) -> None:
    page = site.browser().get("/users").text
    assert "No users yet." in page
    assert '<a href="/users/new">' in page


def test_the_users_list_shows_name_mail_and_date_joined_page_by_page(site: Site) -> None:
    visit = site.browser()
    accounts = [
        {"username": f"user{n:03}", "email": f"user{n:03}@example.com", "password_hash": "x", "joined_at": now()} for n in range(130)
    ]
    with write() as session:
        session.execute(insert(UserAccount), accounts)
    page = visit.get("/users").text
    assert "130 users" in page
    assert "user129@example.com" in page
    assert "user029@example.com" not in page
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older is not None
    assert "user029@example.com" in visit.get(older[1]).text


def test_the_page_that_starts_counting_changes_nothing_by_being_fetched(site: Site) -> None:
    visit = site.browser()
    assert 'hx-trigger="load, submit"' in visit.get("/count").text
    assert _jobs() == []
    assert visit.fill_in("/count").status_code == 303
    assert [job.actor for job in _jobs()] == ["count"]


def test_the_overview_counts_and_names_what_needs_a_person(site: Site) -> None:
    visit, program = site.browser(), site.program()
    assert "Nothing has run yet. Things to try:" in visit.get("/").text
    id = program.submit("add", 1, 2)
    _change(id, state=State.DEAD, error="ValueError: no", finished_at=now())
    text = in_words(visit.get("/").text)
    assert "1 dead" in text
    assert "ValueError: no" in text
    assert "No workers are running" in text
    assert "RabbitMQ cannot be reached: jobs are accepted and wait." in text


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_page_and_a_badge(site: Site, state: State) -> None:
    visit = site.browser()
    id = site.program().submit("add", 1, 2)
    final = now() if state.is_final else None
    _change(id, state=state, reason="because", attempt=1, started_at=now() - timedelta(hours=30), due_at=now(), finished_at=final)
    page = visit.get(f"/jobs/{id}").text
    assert f'<span class="badge {state}">' in page
    assert f"#{state}" in page
    icons = visit.get("/static/icons.svg").text
    assert f'id="{state}"' in icons
    assert f'<span class="badge {state}">' in visit.get("/jobs").text


def test_text_of_other_people_is_never_markup(site: Site) -> None:
    visit = site.browser()
    message: Message[Any] = Message("default", HOSTILE, (HOSTILE,), {HOSTILE: HOSTILE}, {}, message_id=f"id {HOSTILE}")
    with write() as session:
        hold_foreign(session, [("default", message)], run=False)
    [job] = _jobs()
    _change(
        job.id,
        reason=HOSTILE,
        error=HOSTILE,
        result=HOSTILE,
        progress_done=1,
        progress_message=HOSTILE,
        unique_key=HOSTILE,
        submitted_by=HOSTILE,
    )
    _add_attempt(job.id, 1, outcome=Outcome.FAILED, error=HOSTILE, traceback=HOSTILE)
    for state in (State.HELD, State.DEAD, State.SUCCEEDED, State.RUNNING, State.RETRYING):
        _change(job.id, state=state, started_at=now())
        for path in ("/", "/jobs", "/held", f"/jobs/{job.id}", f"/users?job={job.id}", f"/jobs?actor={HOSTILE}", f"/jobs/{job.id}/live"):
            page = visit.get(path).text
            assert "<img src=x" not in page, (state, path)
            assert "<script>alert" not in page, (state, path)


@pytest.mark.long
def test_an_address_cannot_bend_the_links_of_a_page(site: Site) -> None:
    program = site.program()
    for _ in range(51):
        program.submit("add", 1, 2)
    page = site.browser().get("/jobs?_external=1&_scheme=javascript&_anchor=x&endpoint=held.index").text
    assert "javascript:" not in page
