"""Schedules that do not do their work: broken, late, without a success, or paused by themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from src.broker.recover import management
from src.broker.recover.management import Overview
from src.jobs.leases import heartbeats
from src.operations.people.roles import Role
from src.schedules.rows.models import Schedule
from src.sql.clock import now
from src.sql.database import write
from tests.harness import schedules
from tests.harness.jobs import hired
from tests.harness.site import Site, in_words


@pytest.fixture(autouse=True)
def _fleet(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet without any other problem."""
    monkeypatch.setattr(management, "overview", lambda **_: Overview(True, "4.0"))
    hired(site.database)
    with write() as session:
        for role in heartbeats.Role:
            heartbeats.register(session, role, lease_s=60)


def change(**values: Any) -> None:
    with write() as session:
        session.execute(update(Schedule).values(**values))


def test_a_schedule_that_does_not_do_its_work_needs_attention(site: Site) -> None:
    id, visit = schedules.created(site.database, actor="add", cron="0 3 * * *", args=[1, 2]), site.browser(Role.VIEWER)
    assert "All clear." in in_words(visit.get("/").text)
    for values, words in (
        ({"alerted_at": now() - timedelta(hours=1)}, "no success The schedule nightly did not succeed by"),
        ({"broken": "No actor named 'add'"}, "broken The schedule nightly is broken: No actor named 'add'."),
        (
            {"paused_at": now(), "due_at": None, "pause_reason": "paused by itself after 3 failures in a row"},
            "paused The schedule nightly is paused by itself after 3 failures in a row.",
        ),
    ):
        change(**values)
        text = in_words(visit.get("/").text)
        assert words in text
        assert "All clear." not in text
    assert f'href="/schedules/{id}"' in visit.get("/").text
    assert "nightly" not in site.browser(Role.VIEWER, ["mul"]).get("/").text
    change(paused_by="ann")
    assert "All clear." in in_words(visit.get("/").text), "its operator has paused it, and knows"
    change(paused_at=None, paused_by=None, gone=True)
    assert "All clear." in in_words(visit.get("/").text)


def test_an_overdue_schedule_says_what_is_known(site: Site) -> None:
    id, visit = schedules.created(site.database, actor="add", args=[1, 2]), site.browser(Role.VIEWER)
    change(due_at=now() - timedelta(seconds=40))
    text = in_words(visit.get(f"/schedules/{id}").text)
    assert "Overdue: no scheduler has fired it yet. If none is running, start one" in text
    assert "s late: no scheduler has fired it yet." in in_words(visit.get("/").text)
    change(actor="deleted")
    assert "Overdue: no scheduler has fired it yet, and the actor deleted is unknown to this process." in in_words(
        visit.get(f"/schedules/{id}").text
    )
