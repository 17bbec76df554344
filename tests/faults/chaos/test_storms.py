"""Storms as tests: short ones by default, full ones with `--slow`. The figures are printed: `pytest -s`."""

from __future__ import annotations

import pytest

from tests.faults.chaos import storm
from tests.faults.chaos.storm import Report
from tests.harness.breakable import breakable
from tests.harness.callboard import Callboard
from tests.harness.ledger import percentile
from tests.harness.stores import STORES

#: seconds: the promise for a victim's job, doubled, because the machine that runs the tests is shared
RESTART_P99_S = 2 * 10.0
SUBMIT_P99_S = 2 * 0.25


def test_workers_are_killed_every_second_for_a_while(callboard: Callboard) -> None:
    report = storm.workers(callboard, jobs=100, seconds=5, every=1.5, lengths_ms=(5, 300))

    check(report)
    assert len(report.load.accepted) == 100


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_workers_are_killed_every_two_seconds_for_a_minute(store: str) -> None:
    with breakable(store) as callboard:
        report = storm.workers(callboard)

    check(report)
    assert len(report.load.accepted) == 2000
    assert percentile(report.recovery.restarted_s, 0.99) < RESTART_P99_S


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_the_broker_is_killed_five_times_under_load(store: str) -> None:
    with breakable(store) as callboard:
        report = storm.broker(callboard)

    check(report)
    assert percentile(report.load.seconds, 0.99) < SUBMIT_P99_S


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_all_queues_are_deleted_under_load(store: str) -> None:
    with breakable(store) as callboard:
        report = storm.queues(callboard)

    check(report)
    # The last deletion lies a quarter of the load before its end.
    assert report.calm_s < 60 + 45 / 4


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_the_broker_loses_all_its_files(store: str) -> None:
    with breakable(store) as callboard:
        check(storm.wipe(callboard))


@pytest.mark.slow
def test_postgresql_is_killed_under_load() -> None:
    with breakable("postgresql") as callboard:
        report = storm.postgresql(callboard)

    # Without SQL nothing can be accepted: those submissions were answered with an error, and left nothing behind.
    report.load.refused.clear()
    check(report)


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_a_worker_stands_still_for_longer_than_its_lease(store: str) -> None:
    with breakable(store) as callboard:
        report = storm.freeze(callboard)

    if store == "sqlite":
        # A process that stands still in the middle of a write keeps SQLite's one write lock, and others wait or are refused.
        report.load.refused.clear()
    check(report)


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_workers_that_hardly_get_a_core_lose_no_lease_to_a_crash(store: str) -> None:
    with breakable(store) as callboard:
        check(storm.starve(callboard))


def check(report: Report) -> None:
    """Print what happened; nothing may be lost, doubled, untrue or unanswered."""
    print("", *report.lines(), sep="\n  ")
    report.account.check()
    assert not report.load.refused, report.load.refused[:3]
