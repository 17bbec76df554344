"""Small security holes, now closed: links, sessions, keys, folders, distant instants, and internal actors."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import select, update

from src.actor_schema.signature import Signature
from src.actors.http_call import call_http
from src.configuration.kept_secrets import kept_secret
from src.jobs.core.errors import InvalidArguments
from src.operations.people import sessions, users
from src.operations.people.models import BrowserSession
from src.operations.people.roles import Role
from src.settings import Settings, get_settings
from src.sql.clock import now
from src.sql.database import read, write
from src.up.data.data_folder import Folder
from src.web.render import emails
from tests.harness.site import Site, in_words


def test_an_invitation_leads_to_the_configured_address_whatever_the_request_says(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "public_url", "https://jobs.example.org")
    browser, program = site.browser(), site.program()
    hidden = browser.hidden("/admin/users")
    cookie = browser.client.get_cookie(site.app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    browser.client.set_cookie(cookie.key, cookie.value, domain="evil.example")
    answer = browser.client.post("/admin/users", data={**hidden, "name": "ann", "role": "viewer"}, headers={"Host": "evil.example"})
    api = program.client.post("/api/v1/users", json={"name": "bob", "role": "viewer"}, headers={**program.headers, "Host": "evil.example"})
    for text in (answer.text, api.text):
        assert "https://jobs.example.org/sign-in/link?t=" in text
        assert "evil.example" not in text


@pytest.mark.parametrize("host", ["x" * 300, "x" * 64 + ".example.com", "a..example.com"])
@pytest.mark.parametrize("path", ["/", "/sign-in", "/api/v1/jobs", "/healthz", "/static/callboard.css", "/nowhere"])
def test_a_host_that_is_none_is_refused_without_a_traceback(site: Site, host: str, path: str) -> None:
    answer = site.stranger().client.get(path, headers={"Host": host}, buffered=True)
    assert (answer.status_code, answer.text) == (400, "The Host header is not the name of a host.\n")


def test_a_new_link_ends_the_older_ones(site: Site) -> None:
    with write() as session:
        older = users.invite(session, "ann", "viewer", None)
        id = users.named(session, "ann").id
    with write() as session:
        _, newer = users.reset(session, id)
    with write() as session:
        assert sessions.redeem(session, older) is None
        assert sessions.redeem(session, newer) == id


def test_a_session_ends_when_it_is_idle_and_after_two_weeks_at_the_latest(site: Site) -> None:
    browser = site.browser()

    def found() -> BrowserSession:
        with read() as session:
            return session.execute(select(BrowserSession)).scalars().one()

    def shift(**values: object) -> None:
        with write() as session:
            session.execute(update(BrowserSession).values(values))

    begun = found().expires_at
    assert begun - now() <= sessions.IDLE_LIFE
    browser.get("/account")
    assert found().expires_at == begun  # not written again at each request
    shift(expires_at=now() + timedelta(hours=1))
    browser.get("/account")
    assert found().expires_at > now() + sessions.IDLE_LIFE - sessions.USE_NOTED_EVERY
    shift(created_at=now() - sessions.SESSION_LIFE + timedelta(hours=2), expires_at=now() + timedelta(hours=1))
    browser.get("/account")
    assert found().expires_at <= now() + timedelta(hours=2)
    shift(expires_at=now() - timedelta(seconds=1))
    assert browser.get("/account").status_code == 303


def test_without_a_configured_address_an_invitation_leads_to_this_host(site: Site) -> None:
    program = site.program()
    for number, (host, base) in enumerate(
        (("localhost:8123", "http://localhost:8123"), ("evil.example", get_settings().effective_public_url))
    ):
        body = {"name": f"ann{number}", "role": "viewer"}
        answer = program.client.post("/api/v1/users", json=body, headers={**program.headers, "Host": host})
        assert f"{base}/sign-in/link?t=" in answer.text


@pytest.mark.parametrize("key", ["abc", "aaaaaaaaaaaaaaaa", "short"])
def test_a_key_that_is_easy_to_guess_stops_the_start_with_the_cure(key: str) -> None:
    with pytest.raises(ValidationError, match="is too easy to guess"):
        Settings(secret_key=key)


def test_the_data_folder_is_the_users_alone(tmp_path: Path) -> None:
    kept_secret(tmp_path / "first" / "secret_key")
    Folder(tmp_path / "second").prepare()
    for name in ("first", "second"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0
    older = tmp_path / "older"
    older.mkdir(mode=0o755)
    kept_secret(older / "secret_key")
    Folder(older).prepare()
    assert older.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"]
)
def test_instants_at_the_ends_of_the_calendar_are_refused_and_crash_nothing(site: Site, instant: str) -> None:
    program, browser = site.program(), site.browser()
    made = program.post("/api/v1/schedules", {"name": "s", "actor": "add", "args": [1, 2], "cron": "* * * * *"}).get_json()
    path = f"/api/v1/schedules/{made['id']}"
    near = "2026-01-01T00:00:00Z"
    answers = [
        program.post(f"{path}/backfill", {"from": instant, "to": near}),
        program.post(f"{path}/backfill", {"from": near, "to": instant}),
        program.get(f"{path}/ticks?before={instant}"),
        program.post("/api/v1/jobs", {"actor": "add", "args": [1, 2], "eta": instant}),
        program.post("/api/v1/jobs", {"actor": "add", "args": [1, 2], "expires": instant}),
        program.post("/api/v1/schedules", {"name": "t", "actor": "add", "args": [1, 2], "at": instant}),
        program.post("/api/v1/schedules", {"name": "u", "actor": "add", "args": [1, 2], "cron": "* * * * *", "starts_at": instant}),
        program.post("/api/v1/schedules", {"name": "v", "actor": "add", "args": [1, 2], "cron": "* * * * *", "ends_at": instant}),
        program.post("/api/v1/tokens", {"name": "x", "role": "viewer", "expires": instant}),
        program.post("/api/v1/pauses", {"target": "queue:default", "until": instant}),
        program.get(f"/api/v1/audit?since={instant}"),
        program.get(f"/api/v1/jobs?q=created:{instant[:10]}"),
        program.get(f"/api/v1/jobs?q=finished:>{instant[:10]}"),
        browser.get(f"/errors?before={instant.replace('+', '%2B')}"),
        browser.fill_in(f"/schedules/{made['id']}", action=f"/schedules/{made['id']}/backfill", **{"from": instant[:16], "to": near[:16]}),
    ]
    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []


@pytest.mark.parametrize("actor", ["send_mail", "call_http", "prune", "back_up"])
def test_internal_actors_are_submitted_by_operators(site: Site, actor: str) -> None:
    body = {
        "actor": actor,
        "kwargs": {"send_mail": {"to": ["a@example.org"], "subject": "s"}, "call_http": {"url": "https://example.org"}}.get(actor, {}),
    }
    assert site.program(Role.SUBMITTER).post("/api/v1/jobs", body).status_code == 403
    assert site.program(Role.OPERATOR).post("/api/v1/jobs", body).status_code == 202


@pytest.mark.parametrize("url", ["https://me:secret-word@example.org/", "https://me@example.org", "http://x:secret-word@[::1]:80/?q"])
def test_a_password_in_an_address_is_kept_nowhere(site: Site, url: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        Signature.of(call_http).check((url,), {})
    assert "secret-word" not in str(refused.value)
    Signature.of(call_http).check(("https://example.org/a@b?c=d@e",), {})
    program = site.program()
    assert program.post("/api/v1/jobs", {"actor": "call_http", "args": [url]}).status_code == 422
    assert program.post("/api/v1/webhooks", {"url": url, "kind": "job", "states": ["dead"]}).status_code == 422


def test_a_letter_of_many_unclosed_tags_is_shown_at_once(site: Site) -> None:
    html = "<base " * 60_000
    raw = f"Subject: x\r\nContent-Type: text/html\r\n\r\n<p>here</p>{html}".encode()
    begun = time.process_time()
    with site.app.test_request_context():
        answer = emails.frame(raw)
    assert time.process_time() - begun < 2
    assert "base-uri 'none'" in answer.headers["Content-Security-Policy"]


def test_a_common_password_is_refused_on_the_page(site: Site) -> None:
    with write() as session:
        key = users.invite(session, "ann", "viewer", None)
    browser = site.stranger()
    browser.get(f"/sign-in/link?t={key}")
    for password in ("P@ssw0rd2024!", "letmeinletmein"):
        answer = browser.fill_in("/account", action="/account/password", new=password, again=password)
        assert answer.status_code == 422
        assert "too easy to guess" in in_words(answer.text)


@pytest.mark.parametrize("number", [2**63, 10**30, int("9" * 4_000)], ids=["just too large", "large", "huge"])
@pytest.mark.parametrize("path", ["/jobs/views/{}/delete", "/admin/tokens/{}/revoke", "/admin/sessions/{}/end", "/account/tokens/{}/revoke", "/account/sessions/{}/end"])  # fmt: skip
def test_a_number_that_no_database_holds_names_nothing(site: Site, path: str, number: int) -> None:
    browser = site.browser()
    assert browser.client.post(path.format(number), data=browser.hidden("/account", action="/account/password")).status_code == 404
