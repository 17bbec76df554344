"""Planted secrets appear nowhere: in no page, API, log, mail, metric, audit entry or command's output."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import text

from src.actors.mail import post
from src.logs import configure_logs
from src.mail.letters import Letter
from src.mail.models import Mail
from src.operations.people.roles import Role
from src.operations.people.sessions import one_time_link
from src.operations.people.tokens import create_token
from src.operations.people.users import ensure_admin
from src.settings import get_settings
from src.sql.database import Database, read, use_database, write
from src.web import create_app
from tests.harness import fork_server
from tests.harness.services import random_name
from tests.harness.site import Program, Site, Visit

PLANTED = {
    "CALLBOARD_SECRET_KEY": "planted-key-01",
    "CALLBOARD_SMTP_URL": "smtp://mailer:planted-smtp-02@127.0.0.1:1",
    "CALLBOARD_BROKER_URL": "amqp://rabbit:planted-amqp-03@127.0.0.1:1/;amqp://rabbit:planted-amqp-04@127.0.0.1:1/",
    "CALLBOARD_MANAGEMENT_URL": "http://rabbit:planted-http-05@127.0.0.1:1",
    "CALLBOARD_PUBLIC_URL": "https://callboard.example",
}
PASSWORD, WRONG = "planted-password-06", "planted-guess-07"


@pytest.fixture
def planted(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The application as these settings make it."""
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    return Site(site.database, create_app())


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """All that this process logs, in its finest form."""
    root, kept = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    monkeypatch.setenv("CALLBOARD_LOG_LEVEL", "DEBUG")
    get_settings.cache_clear()
    configure_logs()
    root.addHandler(logging.StreamHandler(kept))
    yield kept
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.long
def test_planted_secrets_are_nowhere(planted: Site, log: io.StringIO) -> None:
    said: dict[str, str] = {}
    ensured = ensure_admin()
    assert ensured is not None
    admin = planted.stranger()
    admin.fill_in("/sign-in", name="admin", password=WRONG)
    admin.fill_in("/sign-in", name="admin", password=ensured)
    changed = admin.fill_in("/account", action="/account/password", old=ensured, new=PASSWORD, again=PASSWORD)
    assert changed.status_code == 303
    link = one_time_link("http://localhost")
    token = create_token(random_name("token"), "admin")
    program = Program(planted.app.test_client(), token)
    Program(planted.app.test_client(), "cb_planted-token-08").get("/api/v1/jobs")
    planted.stranger().get("/sign-in/link?t=planted-link-09")
    with write() as session:
        post(session, Letter(to=["a@example.org"], subject="s", template="letter", context={"text": "words"}))
    id = program.submit("add", 1, 2)

    rules = [
        rule
        for rule in planted.app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.arguments and rule.endpoint != "api.fleet_events"
    ]
    for path in [rule.rule for rule in rules] + [f"/jobs/{id}", f"/api/v1/jobs/{id}", "/no/such/page", "/queues/default", "/actors/add"]:
        visitors: dict[str, Visit | Program] = {"admin": admin, "program": program, "stranger": planted.stranger()}
        for name, visit in visitors.items():
            answer = visit.get(path)
            if answer.mimetype != "text/event-stream":
                said[f"{name} {path}"] = f"{answer.headers} {answer.text}"
            answer.close()
    said["log"] = log.getvalue()
    with read() as session:
        said["audit"] = str(session.execute(text("SELECT * FROM audit_lines")).all())
        said["mail"] = str(session.execute(text(f"SELECT * FROM {Mail.__tablename__}")).all())
        said["database"] = str(
            [session.execute(text(f"SELECT * FROM {name}")).all() for name in ("jobs", "console_users", "api_tokens", "console_sessions")]
        )
    done = fork_server.server().run(["-m", "src", "config"], os.environ)
    assert done.returncode == 0, done.stderr
    said["config"] = done.stdout + done.stderr

    secrets = [ensured, PASSWORD, WRONG, token, link.split("t=")[1], "planted-token-08", "planted-link-09"]
    secrets += ["planted-key-01", "planted-smtp-02", "planted-amqp-03", "planted-amqp-04", "planted-http-05"]
    if (password := planted.database.url.password) is not None:
        secrets.append(str(password))
    assert len(said) > 100
    assert "smtp" in said["admin /admin/settings"].lower()
    found = [(secret, where) for where, what in said.items() for secret in secrets if secret in what]
    assert found == [], found


def test_an_outage_tells_no_password(planted: Site, log: io.StringIO) -> None:
    away = Database("postgresql://callboard:planted-db-10@127.0.0.1:1/callboard")
    browser = planted.browser(Role.ADMIN)
    use_database(away)
    try:
        answers = [browser.get(path) for path in ("/", "/jobs", "/admin/settings", "/healthz", "/readyz", "/api/v1/jobs")]
    finally:
        use_database(planted.database)
        away.engine.dispose()
    assert 503 in {answer.status_code for answer in answers}
    assert "planted-db-10" not in json.dumps([answer.text for answer in answers]) + log.getvalue()
