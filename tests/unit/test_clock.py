"""The one clock: PostgreSQL's, as precisely as it can be read from here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from src.sql.clock import Clock

HERE = datetime(2030, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)


def test_a_first_reading_sets_the_clock_to_the_databases() -> None:
    clock = Clock()

    clock.correct(HERE + timedelta(seconds=30), HERE, HERE + 2 * MS)

    assert clock.offset == timedelta(seconds=30) - MS


@pytest.mark.parametrize("reading", [-2 * MS, MS, 4 * MS])
def test_a_reading_that_agrees_within_its_own_error_moves_nothing(reading: timedelta) -> None:
    """The query took ten milliseconds: a reading within five of the present offset is ignored, or time would run backwards."""
    clock = Clock()

    clock.correct(HERE + 5 * MS + reading, HERE, HERE + 10 * MS)

    assert clock.offset == timedelta(0)


def test_a_clock_that_drifts_is_followed() -> None:
    clock = Clock()

    clock.correct(HERE + 5 * MS + 6 * MS, HERE, HERE + 10 * MS)

    assert clock.offset == 6 * MS


@pytest.mark.parametrize("set_by", [-7200.0, 7200.0])
def test_setting_the_hosts_clock_changes_nothing_between_two_readings(set_by: float) -> None:
    clock = Clock()
    clock.follow(timedelta(seconds=30))
    assert clock._then is not None
    wall, running = clock._then
    clock._then = (wall - set_by, running)  # as if it had been set since
    here = datetime.now(UTC)

    assert abs(clock.now() - here - timedelta(seconds=30 - set_by)) < timedelta(seconds=1)
    assert abs(clock.now() - here - timedelta(seconds=30 - set_by)) < timedelta(seconds=1)  # it was taken out once


def test_without_a_database_server_the_hosts_clock_is_the_clock() -> None:
    clock = Clock()

    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
    assert not clock.is_read
    assert clock.is_due


def test_a_reading_is_good_for_a_while() -> None:
    clock = Clock()
    clock.correct(HERE, HERE, HERE)

    assert clock.is_read
    assert not clock.is_due
