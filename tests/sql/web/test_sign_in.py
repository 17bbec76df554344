"""Signing in and out: passwords, one-time links, tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import delete, select, update

from src.operations.people import sessions, users
from src.operations.people.models import ApiToken, BrowserSession, FailedSignIn, SignInLink, User
from src.operations.people.sessions import one_time_link
from src.operations.people.tokens import create_token
from src.operations.people.users import ensure_admin
from src.sql.database import read, write
from src.web.auth.throttle import PER_NAME, WINDOW
from tests.harness.site import Site, in_words
from tests.sql.web.conftest import HASHER

pytestmark = pytest.mark.both_stores


def _path(link: str) -> str:
    return link.removeprefix("http://localhost")


def test_the_admins_password_is_generated_and_shown_once(site: Site) -> None:
    password = ensure_admin()
    assert password is not None
    assert ensure_admin() is None
    answer = site.stranger().fill_in("/sign-in", name="admin", password=password)
    assert (answer.status_code, answer.location) == (303, "/")


def test_no_password_session_link_or_token_is_kept_in_clear(site: Site) -> None:
    password, token = ensure_admin(), create_token("ci", "viewer")
    link = one_time_link("http://localhost")
    site.stranger().fill_in("/sign-in", name="admin", password=password)
    with read() as session:
        kept = [
            *session.execute(select(User.password_hash)).scalars(),
            *session.execute(select(BrowserSession.key_hash)).scalars(),
            *session.execute(select(SignInLink.key_hash)).scalars(),
            *session.execute(select(ApiToken.key_hash)).scalars(),
        ]
    assert len(kept) == 4
    assert kept[0].startswith("$argon2id$")
    assert not {password, token, link.split("t=")[1]} & set(kept)


@pytest.mark.long
def test_passwords_are_hashed_at_argon2s_own_cost(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_hasher", HASHER)
    password = ensure_admin()
    with read() as session:
        assert session.execute(select(User.password_hash)).scalar_one().startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert site.stranger().fill_in("/sign-in", name="admin", password="wrong").status_code == 422
    assert site.stranger().fill_in("/sign-in", name="admin", password=password).status_code == 303


def test_a_link_signs_in_one_browser_once(site: Site) -> None:
    ensure_admin()
    link = _path(one_time_link("http://localhost"))
    first, second = site.stranger(), site.stranger()
    first.client.head(link)  # a program that looks whether the link is alive
    assert first.get(link).location == "/"
    assert first.get("/").status_code == 200
    assert second.get(link).location == "/sign-in"
    assert "This link has been used or has expired." in in_words(second.get("/sign-in").text)
    assert second.get("/").status_code == 303


def test_a_link_is_too_old_after_an_hour(site: Site) -> None:
    ensure_admin()
    link = _path(one_time_link("http://localhost"))
    with write() as session:
        session.execute(update(SignInLink).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert site.stranger().get(link).location == "/sign-in"


def test_a_wrong_password_is_refused_in_the_same_words_as_a_wrong_name(site: Site) -> None:
    ensure_admin()
    for name in ("admin", "nobody"):
        answer = site.stranger().fill_in("/sign-in", name=name, password="wrong")
        assert answer.status_code == 422
        assert "Wrong name or password." in in_words(answer.text)
        assert f'value="{name}"' in answer.text
        assert "<title>Error: Sign in" in answer.text


def test_after_some_wrong_passwords_even_the_right_one_must_wait(site: Site) -> None:
    password = ensure_admin()
    browser = site.stranger()
    for _ in range(PER_NAME):
        assert browser.fill_in("/sign-in", name="admin", password="wrong").status_code == 422
    assert browser.fill_in("/sign-in", name="admin", password=password).status_code == 429
    # Others at other addresses are not locked out with them.
    hidden = browser.hidden("/sign-in")
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert (
        browser.client.post("/sign-in", data={**hidden, "name": "admin", "password": password}, environ_overrides=elsewhere).status_code
        == 303
    )


def test_the_wait_ends(site: Site) -> None:
    password = ensure_admin()
    browser = site.stranger()
    for _ in range(PER_NAME):
        browser.fill_in("/sign-in", name="admin", password="wrong")
    with write() as session:
        session.execute(update(FailedSignIn).values(failed_at=datetime.now(UTC) - WINDOW))
    assert browser.fill_in("/sign-in", name="admin", password=password).status_code == 303


def test_after_signing_in_one_is_where_one_wanted_to_go_but_never_elsewhere(site: Site) -> None:
    password = ensure_admin()
    assert site.stranger().get("/jobs?state=dead").location == "/sign-in?next=/jobs?state%3Ddead"
    for wanted, lands in (
        ("/jobs?state=dead", "/jobs?state=dead"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
    ):
        answer = site.stranger().fill_in("/sign-in", name="admin", password=password, next=wanted)
        assert answer.location == lands


def test_signing_out_ends_the_session_also_for_a_copied_cookie(site: Site) -> None:
    browser = site.browser()
    thief = site.stranger()
    cookie = browser.client.get_cookie(site.app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    thief.client.set_cookie(cookie.key, cookie.value)
    assert thief.get("/").status_code == 200
    assert browser.fill_in("/", action="/sign-out").status_code == 303
    assert browser.get("/").status_code == 303
    assert thief.get("/").status_code == 303


def test_a_form_filled_in_while_the_session_ended_leads_back_to_its_page(site: Site) -> None:
    browser = site.browser()
    page, typed = "/actors/add?like=1", browser.hidden("/actors/add")
    with write() as session:
        session.execute(delete(BrowserSession))

    for referrer, back in ((f"http://localhost{page}", page), ("http://evil.example/actors/add", None), ("http://[localhost/", None)):
        answer = browser.client.post("/actors/add", data={**typed, "x": "1", "y": "2"}, headers={"Referer": referrer})
        assert (answer.status_code, parse_qs(urlsplit(answer.location).query)) == (303, {} if back is None else {"next": [back]})

    told = in_words(browser.get(answer.location).text)
    assert "Your session has ended, and nothing was sent. Sign in and try again." in told


def test_a_disabled_user_is_out_at_once(site: Site) -> None:
    browser = site.browser()
    with write() as session:
        session.execute(update(User).values(disabled_at=datetime.now(UTC)))
    assert browser.get("/").status_code == 303


def test_a_token_works_until_it_is_revoked_or_has_expired(site: Site) -> None:
    program = site.program()
    assert program.get("/api/v1/jobs").status_code == 200
    with read() as session:
        assert session.execute(select(ApiToken.last_used_at)).scalar_one() is not None
    for column in ("revoked_at", "expires_at"):
        with write() as session:
            session.execute(update(ApiToken).values({column: datetime.now(UTC) - timedelta(seconds=1)}))
        answer = program.get("/api/v1/jobs")
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="callboard"')
        with write() as session:
            session.execute(update(ApiToken).values({column: None}))


def test_a_token_needs_a_known_role_and_a_name_of_its_own(site: Site) -> None:
    create_token("ci", "viewer")
    with pytest.raises(ValueError, match="A token named 'ci' already exists"):
        create_token("ci", "viewer")
    with pytest.raises(ValueError, match="There is no role 'king'"):
        create_token("other", "king")


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Site) -> None:
    ensure_admin()
    cookie = site.stranger().get(_path(one_time_link("http://localhost"))).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    over_tls = site.app.test_client().get(_path(one_time_link("http://localhost")), base_url="https://localhost").headers["Set-Cookie"]
    assert "Secure" in over_tls


def test_a_new_password_gives_this_browser_another_session_and_ends_all_others(site: Site) -> None:
    password = ensure_admin()
    browser, thief, other = site.stranger(), site.stranger(), site.stranger()
    for each in (browser, other):
        each.fill_in("/sign-in", name="admin", password=password)
    name = site.app.config["SESSION_COOKIE_NAME"]
    stolen = browser.client.get_cookie(name)
    assert stolen is not None
    thief.client.set_cookie(stolen.key, stolen.value)
    link = sessions.one_time_link("")
    changed = browser.fill_in("/account", action="/account/password", old=password, new="another pass word", again="another pass word")
    assert changed.status_code == 303
    assert browser.get("/").status_code == 200
    assert [each.get("/").status_code for each in (thief, other)] == [303, 303]
    site.stranger().get(link)
    with read() as session:
        assert [one.by_link for one in sessions.listed(session)] == [False]
    # A session that began with a link may not set a password twice without the first one.
    assert "Current password" in browser.get("/account").text


def test_signing_in_again_ends_the_session_before(site: Site) -> None:
    password = ensure_admin()
    browser = site.stranger()
    browser.fill_in("/sign-in", name="admin", password=password)
    browser.fill_in("/sign-in", name="admin", password=password)
    browser.get(sessions.one_time_link(""))
    with read() as session:
        assert [one.by_link for one in sessions.listed(session)] == [True]
