"""Outages of SQL or RabbitMQ, and malformed requests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from src.sql.database import Database, use_database
from tests.harness.site import Site, in_words
from tests.harness.stores import only_on

pytestmark = pytest.mark.both_stores


@pytest.fixture
def nowhere(site: Site) -> Iterator[Site]:
    """The site after its database has gone: nothing listens where it was."""
    away = Database("postgresql://callboard@127.0.0.1:1/nothing")
    use_database(away)
    yield site
    use_database(site.database)
    away.engine.dispose()


def test_pages_and_api_say_that_the_database_is_away(nowhere: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    page = nowhere.stranger().fill_in("/sign-in", name="admin", password="x")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "The database cannot be reached. Nothing was changed" in in_words(page.text)
    answer = nowhere.app.test_client().get("/api/v1/jobs", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert answer.get_json()["title"] == "Service Unavailable"
    assert caplog.records == []


@pytest.mark.long
@only_on("postgresql")
def test_a_request_that_waits_for_a_lock_ends_after_the_statement_timeout(site: Site) -> None:
    browser, program = site.browser(), site.program()
    bounded = Database(site.database.url.render_as_string(hide_password=False), statement_timeout_s=0.3)
    use_database(bounded)
    try:
        with site.database.write() as migration:
            migration.execute(text("LOCK TABLE schedules IN ACCESS EXCLUSIVE MODE"))
            page, answer = browser.get("/schedules"), program.get("/api/v1/schedules")
        assert page.status_code == 503
        assert "The database took longer than 30 s to answer (CALLBOARD_STATEMENT_TIMEOUT). Nothing was changed" in in_words(page.text)
        assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
        assert browser.get("/schedules").status_code == 200
    finally:
        use_database(site.database)
        bounded.engine.dispose()


def test_alive_is_not_ready(nowhere: Site) -> None:
    assert nowhere.stranger().get("/healthz").status_code == 200
    answer = nowhere.stranger().get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["database"].startswith("not reachable")


def test_ready_without_a_broker_but_not_with_an_old_schema(site: Site) -> None:
    answer = site.stranger().get("/readyz")
    assert (answer.status_code, answer.get_json()["broker"]) == (200, "not reachable")
    with site.database.write() as session:
        session.execute(text("UPDATE callboard_version SET version_num = '0001'"))
    answer = site.stranger().get("/readyz")
    assert answer.status_code == 503
    assert "run ./run migrate" in answer.get_json()["database"]


def test_an_internal_error_is_shown_without_a_traceback(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def broken() -> Iterator[Session]:
        raise RuntimeError("secret detail")
        yield

    visit = site.stranger()
    monkeypatch.setattr("src.web.http.health.database.read", broken)
    answer = visit.get("/readyz")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "Internal error in Callboard." in answer.text


def test_a_body_that_is_too_large_is_refused(own_site: Site) -> None:
    own_site.app.config["MAX_CONTENT_LENGTH"] = 1000
    answer = own_site.program().post("/api/v1/jobs", {"actor": "xsum", "args": [[1] * 1000]})
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")
