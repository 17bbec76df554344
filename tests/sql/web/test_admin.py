"""The admin pages, and every user's own account."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import select

from src.audit import queries
from src.audit.queries import Wanted
from src.configuration.kept_secrets import masked
from src.operations.people import sessions
from src.operations.people.models import ApiToken, User
from src.operations.people.roles import Role
from src.operations.people.users import ensure_admin
from src.settings import Settings
from src.sql.database import read
from src.web.auth.throttle import PER_NAME
from tests.harness.site import Program, Site, Visit, in_words

PASSWORD = "correct horse battery"


def id_of(name: str) -> int:
    with read() as session:
        return session.execute(select(User.id).where(User.name == name)).scalar_one()


def link_in(page: str) -> str:
    [(origin, link)] = re.findall(r'<code class="once">(https?://[^/<]+)([^<]+)</code>', page)
    assert origin == "http://localhost", "a link leads to this host, which the request named"
    return html.unescape(link)


def invite(site: Site, admin: Visit, name: str, role: str = "viewer", actors: str = "") -> Visit:
    """A new user's browser, signed in by the link that the administrator was shown."""
    browser = site.stranger()
    made = admin.fill_in("/admin/users", name=name, role=role, actors=actors)
    assert browser.get(link_in(made.text)).location == "/account"
    return browser


def act(admin: Visit, name: str, verb: str, **fields: str) -> int:
    path = f"/admin/users/{id_of(name)}/{verb}"
    return admin.client.post(path, data={**admin.hidden("/admin/users", action="/admin/users"), **fields}).status_code


def actions() -> list[str]:
    with read() as session:
        return [line.action for line in queries.page(session, Wanted()).lines][::-1]


@pytest.mark.both_stores
def test_a_user_is_invited_sets_a_password_and_signs_in_with_it(site: Site) -> None:
    admin = site.browser()
    browser = invite(site, admin, "ann", "submitter", "add, hello*")

    assert "You have access to these actors: add, hello*" in in_words(browser.get("/account").text)
    weak = browser.fill_in("/account", action="/account/password", new="short", again="short")
    assert (weak.status_code, "at least 12 characters" in weak.text) == (422, True)
    assert "do not match" in browser.fill_in("/account", action="/account/password", new=PASSWORD, again="another one").text
    assert browser.fill_in("/account", action="/account/password", new=PASSWORD, again=PASSWORD).status_code == 303

    again = site.stranger()
    assert again.fill_in("/sign-in", name="ann", password=PASSWORD).location == "/"
    assert again.get("/actors/send_mail").status_code == 403
    assert actions()[:3] == ["user.create", "session.sign-in", "user.password"]


def test_the_old_password_is_asked_for_and_other_browsers_are_signed_out(site: Site) -> None:
    password = ensure_admin()
    here, elsewhere = site.stranger(), site.stranger()
    for browser in (here, elsewhere):
        browser.fill_in("/sign-in", name="admin", password=password)

    wrong = here.fill_in("/account", action="/account/password", old="a guess", new=PASSWORD, again=PASSWORD)
    assert (wrong.status_code, "not your current password" in wrong.text) == (422, True)
    assert here.fill_in("/account", action="/account/password", old=password, new=PASSWORD, again=PASSWORD).status_code == 303

    assert (here.get("/").status_code, elsewhere.get("/").status_code) == (200, 303)
    assert actions()[-2:] == ["user.password", "user.password"]
    with read() as session:
        assert [line.outcome for line in queries.page(session, Wanted(action="user.password")).lines] == ["done", "refused"]
    for _ in range(PER_NAME):
        here.fill_in("/account", action="/account/password", old="a guess", new=PASSWORD, again=PASSWORD)
    assert "Too many attempts" in here.fill_in("/account", action="/account/password", old=PASSWORD, new=PASSWORD, again=PASSWORD).text


def test_new_rights_hold_at_once_and_end_the_users_own_tokens(site: Site) -> None:
    admin = site.browser()
    browser = invite(site, admin, "bob", "operator")
    made = browser.fill_in("/account", action="/account/tokens", name="bobs", role="operator")
    [token] = re.findall(r'<code class="once">([^<]+)</code>', made.text)
    program = Program(site.app.test_client(), token)
    assert program.get("/api/v1/mails").status_code == 200

    assert act(admin, "bob", "rights", role="viewer", actors="add") == 303

    assert browser.get("/mails").status_code == 403
    assert program.get("/api/v1/jobs").status_code == 401
    assert "bobs" in browser.get("/account").text


def test_a_token_of_ones_own_has_no_more_rights_than_one_has(site: Site) -> None:
    browser = invite(site, site.browser(), "cid", "submitter", "add")

    refused = browser.fill_in("/account", action="/account/tokens", name="more", role="operator")
    assert (refused.status_code, "a higher role than you" in refused.text) == (422, True)
    made = browser.fill_in("/account", action="/account/tokens", name="cids", role="submitter", actors="send_mail")
    [token] = re.findall(r'<code class="once">([^<]+)</code>', made.text)
    program = Program(site.app.test_client(), token)
    assert program.submit("add", 1, 2)
    assert program.post("/api/v1/jobs", {"actor": "send_mail", "kwargs": {}}).status_code == 403


def test_a_disabled_user_is_out_with_all_he_has_until_he_is_enabled(site: Site) -> None:
    admin = site.browser()
    browser = invite(site, admin, "dan")
    browser.fill_in("/account", action="/account/password", new=PASSWORD, again=PASSWORD)

    assert act(admin, "dan", "disable") == 303
    assert browser.get("/").status_code == 303
    assert site.stranger().fill_in("/sign-in", name="dan", password=PASSWORD).status_code == 422
    assert act(admin, "dan", "new-link") == 422
    assert act(admin, "dan", "enable") == 303
    assert site.stranger().fill_in("/sign-in", name="dan", password=PASSWORD).status_code == 303


def test_a_forgotten_password_is_replaced_through_a_link(site: Site) -> None:
    admin = site.browser()
    browser = invite(site, admin, "eve")
    browser.fill_in("/account", action="/account/password", new=PASSWORD, again=PASSWORD)
    path = f"/admin/users/{id_of('eve')}/new-link"

    link = link_in(admin.client.post(path, data=admin.hidden("/admin/users", action="/admin/users")).text)

    assert browser.get("/").status_code == 303
    assert site.stranger().fill_in("/sign-in", name="eve", password=PASSWORD).status_code == 422
    assert site.stranger().get(link).location == "/account"


def test_nobody_locks_everybody_out(site: Site) -> None:
    ensure_admin()
    admin = site.stranger()
    with site.app.test_request_context():
        link = sessions.one_time_link("http://localhost").removeprefix("http://localhost")
    admin.get(link)
    assert act(admin, "admin", "disable") == 422  # himself
    invite(site, admin, "fay", "admin")
    other = site.browser()  # a third
    assert act(other, "admin", "disable") == 303
    assert act(other, "fay", "rights", role="viewer", actors="") == 303
    limited = admin.client.post("/admin/users", data={})
    assert limited.status_code in (303, 400)  # signed out with his account


def test_senseless_users_and_tokens_are_refused_in_words(site: Site) -> None:
    admin = site.browser()
    for fields, said in (
        ({"name": "two words", "role": "viewer"}, "A name has 1 to 150"),
        ({"name": "gus", "role": "king"}, "There is no role"),
        ({"name": "gus", "role": "admin", "actors": "add"}, "has access to all actors"),
        ({"name": "gus", "role": "viewer", "actors": "a*b"}, "is not an actor name"),
    ):
        answer = admin.fill_in("/admin/users", **fields)
        assert answer.status_code == 422, fields
        assert said in answer.text, fields
        assert "<title>Error: Users" in answer.text
    for fields, said in (
        ({"name": "", "role": "viewer"}, "1 to 150 characters"),
        ({"name": "t", "role": "viewer", "expires": "2001-01-01T00:00:00Z"}, "expiry is in the past"),
        ({"name": "t", "role": "viewer", "expires": "soon"}, "expires:"),
    ):
        answer = admin.fill_in("/admin/tokens", **fields)
        assert (answer.status_code, said in answer.text) == (422, True), fields


def test_a_token_is_shown_once_and_revoked(site: Site) -> None:
    admin = site.browser()
    made = admin.fill_in("/admin/tokens", name="ci", role="submitter", actors="add", expires="90d").text
    [token] = re.findall(r'<code class="once">([^<]+)</code>', made)
    program = Program(site.app.test_client(), token)
    assert program.submit("add", 1, 2)

    page = admin.get("/admin/tokens").text
    assert token not in page
    assert token[:10] in page
    with read() as session:
        id = session.execute(select(ApiToken.id)).scalar_one()
    assert admin.fill_in("/admin/tokens", action=f"/admin/tokens/{id}/revoke").status_code == 303
    assert program.get("/api/v1/jobs").status_code == 401
    assert actions() == ["token.create", "job.submit", "token.revoke", "token.use"]


@pytest.mark.both_stores
def test_browsers_are_signed_out_from_elsewhere_ones_own_or_by_an_administrator(site: Site) -> None:
    admin, viewer, other = site.browser(), site.browser(Role.VIEWER), site.browser(Role.VIEWER)
    with read() as session:
        _, of_viewer, of_other = sorted(each.id for each in sessions.listed(session))

    hidden = viewer.hidden("/account", action="/account/password")
    assert viewer.client.post(f"/account/sessions/{of_other}/end", data=hidden).status_code == 404
    assert other.get("/").status_code == 200
    assert admin.fill_in("/admin/sessions", action=f"/admin/sessions/{of_viewer}/end").status_code == 303
    assert viewer.get("/").status_code == 303


def test_settings_are_shown_with_their_origin_and_without_secrets(site: Site) -> None:
    page = site.browser().get("/admin/settings").text
    for name in Settings.model_fields:
        assert f"CALLBOARD_{name.upper()}" in page
    words = in_words(page)
    assert re.search(r"CALLBOARD_DATABASE_URL \S+ environment", words)
    assert re.search(r"CALLBOARD_THREADS 8 default", words)
    assert "Succeeded jobs and their results 14 CALLBOARD_KEEP_SUCCEEDED" in words
    assert "CALLBOARD_KEEP_SUCCEEDED 14 default" in words
    assert masked("broker_url", "amqp://u:p/a@ss@h:1/;amqps://v:w@k/") == "amqp://u:•••@h:1/;amqps://v:•••@k/"
    assert masked("secret_key", "x") == "•••"


def test_a_token_has_no_account(site: Site) -> None:
    assert site.program().get("/account").status_code == 403
