"""The pace of scans that may become expensive."""

from __future__ import annotations

import pytest

from src.broker.core.pace import Pace
from src.broker.recover.relay import LATE, Reach
from src.jobs.relay.due_jobs import FIRST
from src.sql.clock import now


def test_a_scan_within_its_free_time_may_be_taken_again_at_once() -> None:
    pace = Pace(free_s=60)
    with pace.timing():
        pass

    assert pace.is_due


def test_a_scan_delays_the_next_one_by_many_times_its_own_length() -> None:
    pace = Pace(free_s=-60)
    with pace.timing():
        pass

    assert not pace.is_due


def test_a_failed_scan_may_be_repeated_at_once() -> None:
    pace = Pace(free_s=-60)
    with pytest.raises(ZeroDivisionError), pace.timing():
        raise ZeroDivisionError

    assert pace.is_due


def test_scans_begin_shortly_before_the_previous_one_until_the_next_full_one_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    reach, begun = Reach(), now()
    with reach.scanning() as since:
        assert since == FIRST
    monkeypatch.setattr(reach, "_pace", pace := Pace(free_s=-60))
    with pace.timing():
        pass

    with reach.scanning() as since:
        assert begun - LATE <= since <= now() - LATE
    monkeypatch.setattr(reach, "_pace", Pace(free_s=-60))
    with reach.scanning() as since:
        assert since == FIRST


def test_a_scan_after_a_failed_first_one_begins_at_the_beginning() -> None:
    reach = Reach()
    with pytest.raises(ZeroDivisionError), reach.scanning():
        raise ZeroDivisionError

    with reach.scanning() as since:
        assert since == FIRST
