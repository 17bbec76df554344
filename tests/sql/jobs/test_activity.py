"""The scheduler looks for new jobs, failures and ended minutes only if something has happened, and misses none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from src.jobs import State
from src.jobs.search import texts
from src.jobs.upkeep import queue_samples
from src.scheduling import housekeeping
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, claimed, ended, hired, settle, submitted

pytestmark = pytest.mark.both_stores


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[bool]]:
    """Take three turns; returns for each whether it looked everywhere."""
    looked: list[bool] = []
    chore, real = housekeeping.KeepUp(), housekeeping.keep_up

    def keep_up() -> bool:
        looked[-1] = True
        return real()

    monkeypatch.setattr(housekeeping, "keep_up", keep_up)

    def take() -> list[bool]:
        looked.clear()
        for _ in range(3):
            looked.append(False)
            chore()
        return list(looked)

    return take


def test_an_idle_fleet_is_looked_at_once_a_minute(database: Database, time: StillClock, turns: Callable[[], list[bool]]) -> None:
    assert turns() == [True, False, False]
    assert turns() == [False, False, False]
    time.forward(60)
    assert turns() == [True, False, False]


def test_a_new_job_is_found_at_once(database: Database, time: StillClock, turns: Callable[[], list[bool]]) -> None:
    turns()
    job, worker = submitted(database), hired(database)
    assert turns() == [True, True, True], "it is queued: its queue is sampled"
    lease = claim(database, worker, job.id)
    assert lease is not None
    settle(database, worker, ended(lease))
    assert turns() == [True, False, False]
    with database.read() as session:
        assert texts.newest(session) == lease.seq


def test_a_failure_is_counted_at_once(database: Database, time: StillClock, turns: Callable[[], list[bool]]) -> None:
    worker = hired(database)
    lease = claimed(database, worker)
    turns()
    settle(database, worker, ended(lease, State.DEAD, error="ValueError: no", failures=1))
    assert turns() == [True, True, False], "the second look finds nothing more"


def test_what_could_not_be_done_is_tried_again(
    database: Database, time: StillClock, turns: Callable[[], list[bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_session: object) -> int:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(queue_samples, "sample", broken)
        assert turns() == [True, True, True]
    assert turns() == [True, False, False]
