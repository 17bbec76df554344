"""Users and tokens by API: the actions of the admin pages, for programs."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from src import audit
from src.operations.people.roles import Role
from src.operations.people.tokens import create_token
from src.sql.database import read
from tests.harness.services import random_name
from tests.harness.site import Program, Site

pytestmark = pytest.mark.both_stores


@pytest.fixture
def admin(site: Site) -> Program:
    return site.program(Role.ADMIN)


def actions() -> list[tuple[str, str | None]]:
    with read() as session:
        return [(line.action, line.subject) for line in session.execute(select(audit.AuditEntry).order_by(audit.AuditEntry.seq)).scalars()]


def test_a_new_user_signs_in_by_the_link_and_gets_other_rights_at_once(site: Site, admin: Program) -> None:
    name = random_name("ada")
    made = admin.post("/api/v1/users", {"name": name, "role": "submitter", "actors": ["add", "reports_*"]})
    assert made.status_code == 201, made.text
    user = made.get_json()
    visit, link = site.stranger(), user.pop("link")
    assert visit.get(link.partition("localhost")[2]).location == "/account"
    assert name in visit.get("/account").text
    assert link not in admin.get("/api/v1/users").text
    assert user in admin.get("/api/v1/users").get_json()["users"]

    changed = admin.patch(f"/api/v1/users/{user['id']}", {"role": "operator"})
    assert (changed.status_code, changed.get_json()["role"], changed.get_json()["actors"]) == (200, "operator", None)
    off = admin.post(f"/api/v1/users/{user['id']}/disable").get_json()
    assert off["disabled_at"] is not None
    assert admin.post(f"/api/v1/users/{user['id']}/new-link").status_code == 422
    assert admin.post(f"/api/v1/users/{user['id']}/enable").get_json()["disabled_at"] is None
    assert "link" in admin.post(f"/api/v1/users/{user['id']}/new-link").get_json()
    done = [action for action, subject in actions() if subject == name]
    assert done == ["user.create", "user.rights", "user.disable", "user.enable", "user.new-link"]


def test_a_token_is_shown_once_works_and_is_revoked(site: Site, admin: Program) -> None:
    name = random_name("ci")
    made = admin.post("/api/v1/tokens", {"name": name, "role": "submitter", "actors": ["add"], "expires": "90d"}).get_json()
    program = Program(site.app.test_client(), made["token"])
    assert program.submit("add", 1, 2)
    assert program.post("/api/v1/jobs", {"actor": "mul", "args": [1, 2]}).status_code == 403
    listed = admin.get("/api/v1/tokens")
    assert made["token"] not in listed.text
    [found] = [each for each in listed.get_json()["tokens"] if each["name"] == name]
    assert (found["role"], found["actors"], found["expires_at"] is not None) == ("submitter", ["add"], True)

    assert admin.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    assert program.get("/api/v1/jobs").status_code == 401
    assert [action for action, subject in actions() if subject == name and action.startswith("token.")] == ["token.create", "token.revoke"]
    assert made["token"] not in str(actions())


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("users", {"name": "a b", "role": "viewer"}, "name"),
        ("users", {"name": "ada", "role": "root"}, "role"),
        ("users", {"name": "ada", "role": "admin", "actors": ["add"]}, "actors"),
        ("users", {"name": "ada", "role": "viewer", "actors": ["a b*c"]}, "actors"),
        ("users", {"name": "ada", "role": "viewer", "actors": []}, "actors"),
        ("users", {"name": "ada"}, "role"),
        ("tokens", {"name": "", "role": "viewer"}, "name"),
        ("tokens", {"name": "ci", "role": "viewer", "expires": "soon"}, "expires"),
        ("tokens", {"name": "ci", "role": "viewer", "secret": "mine"}, "secret"),
    ],
)
def test_an_invalid_value_is_named_by_its_field(admin: Program, path: str, body: dict[str, Any], field: str) -> None:
    answer = admin.post(f"/api/v1/{path}", body)
    assert answer.status_code == 422, answer.text
    assert [each["field"] for each in answer.get_json()["errors"]] == [field]


def test_nobody_shuts_himself_out_and_the_last_administrator_stays(site: Site, admin: Program) -> None:
    me = admin.post("/api/v1/users", {"name": random_name("me"), "role": "admin"}).get_json()
    mine = Program(site.app.test_client(), create_token(random_name("mine"), "admin", user_id=me["id"]))
    assert mine.post(f"/api/v1/users/{me['id']}/disable").status_code == 409
    assert mine.patch(f"/api/v1/users/{me['id']}", {"role": "viewer"}).status_code == 409
    [own] = [each for each in mine.get("/api/v1/tokens").get_json()["tokens"] if each["user_id"] == me["id"]]
    assert mine.delete(f"/api/v1/tokens/{own['id']}").status_code == 409
    last = admin.post(f"/api/v1/users/{me['id']}/disable")
    assert (last.status_code, "last administrator" in last.text) == (422, True)
    assert admin.post("/api/v1/users/999999/disable").status_code == 404
    assert admin.delete("/api/v1/tokens/999999").status_code == 404


def test_a_name_is_given_once(admin: Program) -> None:
    name = random_name("twice")
    for path in ("users", "tokens"):
        assert admin.post(f"/api/v1/{path}", {"name": name, "role": "viewer"}).status_code == 201
        again = admin.post(f"/api/v1/{path}", {"name": name, "role": "viewer"})
        assert (again.status_code, "Choose another name" in again.get_json()["detail"]) == (422, True)
