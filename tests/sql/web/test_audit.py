"""The audit: every action and every refusal has an entry, and no entry describes an action that did not happen."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from string import Formatter
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from src import audit
from src.audit import AuditEntry, Outcome, PendingEntry, Via, queries, retention
from src.audit.queries import Wanted
from src.audit.recording import ENTRIES_PER_ACTION
from src.jobs.control import actions
from src.operations.people.roles import Role
from src.operations.people.users import ensure_admin
from src.settings import get_settings
from src.sql.clock import clock, now
from src.sql.database import read, write
from src.web.auth.audit_hooks import ACTION
from src.web.auth.throttle import PER_NAME
from tests.harness.site import Site, in_words

pytestmark = pytest.mark.both_stores


def lines(**wanted: Any) -> list[AuditEntry]:
    """The lines, the oldest first."""
    with read() as session:
        return list(queries.page(session, Wanted(**wanted), limit=1000).lines)[::-1]


def test_a_form_an_api_call_and_a_button_each_write_a_line_about_the_job(site: Site) -> None:
    browser, program = site.browser(Role.OPERATOR), site.program(Role.OPERATOR)

    id = browser.fill_in("/actors/add", x="1", y="2").location.rsplit("/", 1)[1]
    assert browser.fill_in(f"/jobs/{id}", action=f"/jobs/{id}/cancel").status_code == 303
    assert program.post(f"/api/v1/jobs/{id[:8]}...{id[-4:]}/retry").status_code == 200

    written = [(line.action, line.via, line.subject, line.role, line.outcome) for line in lines(kind="job", subject=id)]
    assert written == [
        ("job.submit", Via.PAGE, id, "operator", Outcome.DONE),
        ("job.cancel", Via.PAGE, id, "operator", Outcome.DONE),
        ("job.retry", Via.API, id, "operator", Outcome.DONE),
    ]
    [submitted, *_] = lines(kind="job", subject=id)
    assert (submitted.who[:5], submitted.address, submitted.details) == ("user_", "127.0.0.1", {"actor": "add"})


def test_the_jobs_own_page_shows_who_did_what_to_it(site: Site) -> None:
    id = site.program(Role.SUBMITTER).submit("add", 1, 2)
    shown = in_words(site.browser(Role.VIEWER).get(f"/jobs/{id}").text)

    assert "job.submit by token" in shown
    assert "127.0.0.1" not in shown  # addresses are for administrators
    assert "from 127.0.0.1" in in_words(site.browser(Role.ADMIN).get(f"/jobs/{id}").text)


def test_a_rolled_back_action_has_no_audit_entry(site: Site) -> None:
    program = site.program(Role.OPERATOR)
    id = program.submit("add", 1, 2)

    assert program.post(f"/api/v1/jobs/{id}/release").status_code == 409
    assert program.post("/api/v1/jobs", {"actor": "add", "args": ["no number", 2]}).status_code == 422

    assert [line.action for line in lines()] == ["job.submit"]


def test_many_jobs_at_once_have_a_line_each_and_very_many_one_with_their_number(site: Site) -> None:
    program = site.program(Role.SUBMITTER)
    for number in (ENTRIES_PER_ACTION, ENTRIES_PER_ACTION + 1):
        answer = program.post("/api/v1/jobs/bulk", [{"actor": "add", "args": [1, each]} for each in range(number)])
        assert answer.status_code == 202, answer.text

    *each, all_of_them = lines(action="job.submit")
    assert len({line.subject for line in each}) == ENTRIES_PER_ACTION
    assert all_of_them.subject is None
    assert all_of_them.details is not None
    assert all_of_them.details["number"] == ENTRIES_PER_ACTION + 1


def test_a_refusal_for_want_of_a_role_is_written_with_its_reason(site: Site) -> None:
    viewer = site.program(Role.VIEWER)

    assert viewer.post("/api/v1/jobs", {"actor": "add", "args": [1, 2]}).status_code == 403
    assert site.browser(Role.SUBMITTER).get("/mails").status_code == 403

    by_api, by_page = lines(outcome=Outcome.REFUSED)
    assert (by_api.action, by_api.role, by_api.via) == ("job.submit", "viewer", Via.API)
    assert "This requires role submitter" in (by_api.reason or "")
    assert (by_page.action, by_page.role, by_page.via) == ("GET /mails", "submitter", Via.PAGE)


def test_a_forged_form_is_a_refusal(site: Site) -> None:
    site.browser().client.post("/sign-out", data={})

    [line] = lines()
    assert (line.action, line.outcome) == ("session.sign-out", Outcome.REFUSED)


def test_sign_ins_sign_outs_failures_and_throttling_are_audited(site: Site) -> None:
    password, browser = ensure_admin(), site.stranger()
    browser.fill_in("/sign-in", name="admin", password=password)
    browser.fill_in("/", action="/sign-out")
    for _ in range(PER_NAME + 3):
        browser.fill_in("/sign-in", name="admin", password="a planted guess")
    site.stranger().get("/sign-in/link?t=stale")

    assert [(line.action, line.who, line.outcome, line.reason) for line in lines()] == [
        ("session.sign-in", "admin", Outcome.DONE, None),
        ("session.sign-out", "admin", Outcome.DONE, None),
        *[("session.sign-in", "admin", Outcome.REFUSED, "wrong name or password")] * PER_NAME,
        ("session.sign-in", "admin", Outcome.REFUSED, "too many attempts"),  # once a minute
        ("session.sign-in", "nobody", Outcome.REFUSED, "the one-time link was used or has expired"),
    ]
    assert not any("planted" in str(line.__dict__) for line in lines())


def test_a_token_that_is_none_is_a_refusal_once_a_minute_and_a_stranger_without_one_is_only_sent_to_the_door(site: Site) -> None:
    client = site.stranger().client
    assert client.get("/api/v1/jobs").status_code == 401
    assert client.get("/jobs").status_code == 303
    for _ in range(3):
        assert client.get("/api/v1/jobs", headers={"Authorization": "Bearer cb_forged"}).status_code == 401

    [line] = lines()
    assert (line.action, line.who, line.outcome) == ("token.use", "nobody", Outcome.REFUSED)


def test_a_line_cannot_be_changed(site: Site) -> None:
    site.program(Role.SUBMITTER).submit("add", 1, 2)
    refused = pytest.raises(DBAPIError, match="never changed") if site.database.is_sqlite else nullcontext()  # PostgreSQL changes nothing
    with refused, write() as session:
        session.execute(update(AuditEntry).values(who="somebody else"))

    assert [line.who[:5] for line in lines()] == ["token"]


def test_an_audit_entry_outside_a_request_does_not_leak_into_the_next_one(site: Site) -> None:
    id = site.program(Role.SUBMITTER).submit("add", 1, 2)
    with write() as session:
        actions.cancel(session, id)  # by a program of this house: no person, no line

    assert [line.action for line in lines()] == ["job.submit"]


def test_lines_are_deleted_when_their_time_is_over(site: Site) -> None:
    deed = PendingEntry("someone", Via.PAGE, "job.retry")
    with write() as session:
        audit.record(session, deed)
        audit.record(session, deed)
        _, kept = session.execute(select(AuditEntry.seq).order_by(AuditEntry.seq)).scalars()
    clock.offset += timedelta(days=399)
    try:
        with write() as session:
            assert retention.prune(session) == 0
        clock.offset += timedelta(days=2)
        with write() as session:
            assert retention.prune(session, batch=1) == 1
    finally:
        clock.offset -= timedelta(days=401)
    assert [line.seq for line in lines()] == [kept]


@pytest.mark.parametrize(("days", "words"), [("400", "400 days"), ("1", "1 day"), ("0.5", "0.5 days")])
def test_the_page_says_how_long_entries_are_kept(site: Site, monkeypatch: pytest.MonkeyPatch, days: str, words: str) -> None:
    monkeypatch.setattr(get_settings(), "keep_audit", float(days))
    assert f"are deleted after {words}." in in_words(site.browser().get("/admin/audit").text)


def test_the_page_and_the_api_filter_and_page(site: Site) -> None:
    present = now()
    with write() as session:
        for number in range(130):
            audit.record(session, PendingEntry(f"person {number % 2}", Via.COMMAND, "job.retry", kind="job", subject=f"job-{number}"))
        audit.record(
            session,
            PendingEntry("person 0", Via.API, "schedule.pause", kind="schedule", subject="7"),
            outcome=Outcome.REFUSED,
            reason="no right",
        )
    admin, program = site.browser(Role.ADMIN), site.program(Role.ADMIN)

    first = admin.get("/admin/audit").text
    assert first.count("<tr>") == 101
    assert admin.get("/admin/audit?who=person+1&action=job.").text.count("<tr>") == 66
    assert "no right" in admin.get("/admin/audit?outcome=refused").text
    assert "No matching entries" in in_words(admin.get("/admin/audit?who=nobody-of-this-name").text)
    assert admin.get("/admin/audit?since=yesterday").status_code == 422

    page = program.get("/api/v1/audit?limit=100&via=command").get_json()
    rest = program.get(f"/api/v1/audit?limit=100&via=command&after={page['next']}").get_json()
    assert len(page["lines"]) + len(rest["lines"]) == 130
    assert rest["next"] is None
    assert page["lines"][0]["subject"] == "job-129"
    assert program.get(f"/api/v1/audit?until={present:%Y-%m-%dT%H:%M:%SZ}").get_json()["lines"] == []
    assert program.get("/api/v1/audit?via=pigeon").status_code == 422


def test_every_action_names_parts_of_its_address_only(app: Any) -> None:
    named = [(rule, getattr(app.view_functions[rule.endpoint], ACTION, "")) for rule in app.url_map.iter_rules()]

    assert sum(bool(action) for _, action in named) > 70
    for rule, action in named:
        assert {part for _, part, _, _ in Formatter().parse(action) if part} <= rule.arguments, rule
