"""Recycling: limits of a worker process, and when it gives way."""

from __future__ import annotations

import pytest

from src.broker.process import recycling
from src.broker.process.prefork import Link
from src.broker.process.recycling import MemoryLimitTooLow, Recycling
from src.settings import get_settings

MB = 1_000_000


class Parent(Link):
    """A prefork parent whose replacement serves when the test says so."""

    def __init__(self) -> None:
        self.reason, self.has_served = "", False
        self.asked: list[str] = []

    def ask(self, reason: str) -> None:
        self.asked.append(reason)

    @property
    def is_replaced(self) -> bool:
        return self.has_served


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "max_memory", 500 * MB)
    monkeypatch.setattr(get_settings(), "max_jobs", 10)


def test_a_process_within_its_limits_goes_on() -> None:
    assert not Recycling().due(memory_bytes=500 * MB, jobs=9)


def test_without_a_parent_it_gives_way_at_once_and_for_good() -> None:
    one = Recycling()
    assert one.due(memory_bytes=501 * MB, jobs=1) == "501 MB of memory (CALLBOARD_MAX_MEMORY is 500 MB)"
    assert one.due(memory_bytes=1, jobs=2)


def test_with_a_parent_it_asks_until_its_replacement_serves() -> None:
    parent = Parent()
    one = Recycling(parent)
    assert not one.due(memory_bytes=None, jobs=10)
    assert not one.due(memory_bytes=None, jobs=11)
    parent.has_served = True
    assert one.due(memory_bytes=None, jobs=12) == "10 jobs (CALLBOARD_MAX_JOBS is 10)"
    assert parent.asked == ["10 jobs (CALLBOARD_MAX_JOBS is 10)"] * 2


def test_a_process_that_has_grown_without_a_job_is_not_replaced_for_ever() -> None:
    assert not Recycling().due(memory_bytes=501 * MB, jobs=0)


def test_a_limit_below_what_a_worker_has_before_its_first_job_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recycling, "resident_bytes", lambda: 600 * MB)
    with pytest.raises(MemoryLimitTooLow, match="is 500 MB, but a worker has 600 MB before its first job: set at least 1200 MB"):
        recycling.prepare()
