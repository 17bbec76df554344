"""Counts that the scheduler keeps for tables that a request does not count itself."""

from __future__ import annotations

import pytest

from src.jobs.core.states import State
from src.jobs.read import queries, row_counts
from src.jobs.upkeep import row_counting
from src.mail import deliveries
from src.scheduling import housekeeping
from src.sql.database import Database
from tests.harness import plans
from tests.harness.jobs import StillClock, in_state

pytestmark = pytest.mark.both_stores
MODULES = (queries, deliveries, row_counting)


def _dead(database: Database) -> tuple[int, int]:
    """Dead jobs as metrics and the page of queues show them."""
    with database.read() as session:
        return queries.counts_but_succeeded(session)[State.DEAD], queries.backlog(session)["default"][State.DEAD]


def test_few_rows_are_counted_on_the_request_and_many_by_the_scheduler(
    database: Database, time: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in MODULES:
        monkeypatch.setattr(module, "COUNTED", 2)
    for _ in range(2):
        in_state(database, State.DEAD)
    housekeeping.count_rows()
    assert _dead(database) == (2, 2)

    for _ in range(2):
        in_state(database, State.DEAD)
    assert _dead(database) == (4, 4)  # no scheduler has counted yet
    housekeeping.count_rows()
    in_state(database, State.DEAD)
    assert _dead(database) == (4, 4)

    time.forward(row_counts.OLDEST.total_seconds())
    assert _dead(database) == (5, 5)


def test_a_second_scheduler_does_not_count_again(database: Database, time: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_counting, "COUNTED", 0)
    in_state(database, State.DEAD)
    housekeeping.count_rows()
    with plans.recorded(database) as statements:
        housekeeping.count_rows()
    assert not [each for each in statements if "FROM jobs" in each]

    time.forward(60)
    with plans.recorded(database) as statements:
        housekeeping.count_rows()
    assert [each for each in statements if "FROM jobs" in each]
    if database.is_sqlite:  # PostgreSQL's plans depend on the number of rows
        assert plans.whole_reads(database, statements) == {}
