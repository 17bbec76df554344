"""A trusted proxy names the user; its header is ignored from any other client."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from src.audit import queries
from src.audit.queries import Wanted
from src.operations.people.models import User
from src.operations.people.roles import Role
from src.settings import WrongSettings, get_settings
from src.sql.clock import now
from src.sql.database import read, write
from src.web import create_app
from tests.harness.site import Site

pytestmark = pytest.mark.both_stores

PROXY, STRANGER = "10.1.2.3", "203.0.113.9"


@pytest.fixture
def behind(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The application behind a proxy that makes users viewers."""
    for name, value in (("USER_HEADER", "X-Remote-User"), ("ADDRESSES", "10.1.0.0/16, ::1"), ("NEW_USERS", "viewer")):
        monkeypatch.setenv(f"CALLBOARD_PROXY_{name}", value)
    get_settings.cache_clear()
    return Site(site.database, create_app())


def ask(site: Site, path: str = "/account", *, address: str = PROXY, name: str = "ann", method: str = "GET") -> TestResponse:
    client = site.app.test_client()
    return client.open(path, method=method, headers={"X-Remote-User": name}, environ_overrides={"REMOTE_ADDR": address}, json=None)


def test_the_user_named_by_the_proxy_is_signed_in_and_created_if_new(behind: Site) -> None:
    for _ in range(2):
        assert "<strong>ann</strong>" in ask(behind).text
    assert ask(behind, "/mails").status_code == 403
    with write() as session:
        session.execute(update(User).where(User.name == "ann").values(role=Role.OPERATOR))
    assert ask(behind, "/mails").status_code == 200
    with read() as session:
        assert [line.action for line in queries.page(session, Wanted(who="ann", outcome=None)).lines][-1] == "user.create"


def test_the_header_of_anybody_else_says_nothing(behind: Site) -> None:
    assert ask(behind, address=PROXY).status_code == 200
    assert ask(behind, address=STRANGER).location.startswith("/sign-in")
    assert ask(behind, address="not an address").location.startswith("/sign-in")
    assert ask(behind, name="").location.startswith("/sign-in")


def test_disabled_and_invalid_users_are_refused(behind: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(behind)
    with write() as session:
        session.execute(update(User).values(disabled_at=now()))
    assert ask(behind).status_code == 403
    assert ask(behind, name="<script>").status_code == 403
    monkeypatch.setenv("CALLBOARD_PROXY_NEW_USERS", "")
    get_settings.cache_clear()
    assert ask(behind, name="bob").status_code == 403


def test_the_api_still_needs_a_token_to_change_something(behind: Site) -> None:
    assert ask(behind, "/api/v1/jobs").status_code == 200
    assert ask(behind, "/api/v1/jobs", method="POST").status_code == 401


def test_without_the_setting_the_header_is_any_other(site: Site) -> None:
    assert ask(site).location.startswith("/sign-in")


def test_a_header_that_anybody_could_send_is_refused_at_the_start(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_PROXY_USER_HEADER", "X-Remote-User")
    for addresses, said in (("", "must name the proxy"), ("the proxy", "must be addresses or networks")):
        monkeypatch.setenv("CALLBOARD_PROXY_ADDRESSES", addresses)
        get_settings.cache_clear()
        with pytest.raises(WrongSettings, match=said):
            create_app()
