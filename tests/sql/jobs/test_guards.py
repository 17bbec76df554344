"""An error of one job, group or schedule delays no other, and is logged once with a count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from src.jobs import State
from src.jobs.attempts import stacks
from src.jobs.core import fingerprints, guards
from src.jobs.core.fingerprints import Fingerprint
from src.jobs.core.guards import guarded
from src.jobs.core.models import FailureGroup, Job
from src.jobs.failures import counting
from src.jobs.search import texts
from src.scheduling import housekeeping
from src.sql.database import Database
from tests.harness.jobs import claimed, ended, hired, look, settle, submitted

pytestmark = pytest.mark.both_stores


@pytest.fixture(autouse=True)
def _no_error_known() -> Iterator[None]:
    guards._known.clear()
    with texts.search_fields.replaced(lambda actor, args, kwargs: {"x": args[0], **kwargs}):
        yield


def written(database: Database) -> dict[int, str]:
    key = "rowid" if database.is_sqlite else "seq"
    with database.read() as session:
        return {row[0]: row[1] for row in session.execute(text(f"SELECT {key}, text FROM job_texts"))}


def spoil(database: Database, id: str, args: Any) -> None:
    """Write arguments that no submission of today may have."""
    with database.write() as session:
        session.execute(update(Job).where(Job.id == id).values(args=args))


@pytest.mark.parametrize("args", [["\ud800"], ["a\x00b"], []], ids=["a lone surrogate", "a NUL", "unreadable to its actor"])
def test_a_job_that_cannot_be_searched_for_keeps_no_other_from_it(database: Database, args: list[str]) -> None:
    before, spoiled, after = (submitted(database, word).id for word in ("before", "spoiled", "after"))
    spoil(database, spoiled, args)
    settle(
        database,
        worker := hired(database),
        ended(claimed(database, worker), State.DEAD, error="ValueError: no", traceback="no", failures=1),
    )

    housekeeping.keep_up()

    found = written(database)
    assert "before" in found[look(database, before).seq]
    assert "after" in found[look(database, after).seq]
    assert look(database, spoiled).seq in found
    with database.read() as session:
        assert session.execute(select(FailureGroup.count)).scalars().all() == [1]


def test_a_group_of_failures_that_cannot_be_counted_keeps_no_other_from_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = hired(database)
    for kind in ("KeyError", "ValueError"):
        settle(database, worker, ended(claimed(database, worker), State.DEAD, actor="add", error=f"{kind}: no", failures=1))
    real = fingerprints.fingerprint

    def broken(actor: str, error: str | None, traceback: str | None) -> Fingerprint | None:
        if "KeyError" in (error or ""):
            raise RuntimeError("broken")
        return real(actor, error, traceback)

    monkeypatch.setattr(counting, "fingerprint", broken)
    housekeeping.keep_up()

    with database.read() as session:
        assert session.execute(select(FailureGroup.kind)).scalars().all() == ["ValueError"]


def test_a_failing_prune_does_not_stop_the_others(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def broken(_session: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(housekeeping, "forget_old", broken)
    monkeypatch.setattr(stacks, "prune", lambda session: done.append("stacks"))

    housekeeping.tidy()

    assert done == ["stacks"]


def test_an_error_is_logged_once_a_minute_with_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as logs:
        for number in range(100):
            with guarded("not_done", number=number):
                raise ValueError("no")
        monkeypatch.setattr(guards, "AGAIN_S", 0.0)
        with guarded("not_done"):
            raise ValueError("no")

    assert [(line["event"], line["seen_again"]) for line in logs] == [("not_done", 0), ("not_done", 99)]


def test_an_outage_of_sql_is_not_the_items_error() -> None:
    with pytest.raises(OperationalError), guarded("not_done"):
        raise OperationalError("SELECT 1", {}, OSError("away"), connection_invalidated=True)
