"""Usage of an attempt: its thread's CPU time is recorded with its end."""

from __future__ import annotations

import pytest

from tests.actors import broker as actors
from tests.harness.callboard import Callboard

pytestmark = pytest.mark.both_stores


def test_an_attempt_records_the_cpu_time_of_its_thread_also_if_it_fails(callboard: Callboard) -> None:
    for message in (actors.echo.send(1), actors.fail.send("no")):
        [attempt] = callboard.until(message).attempts

        assert attempt.cpu_us is not None
        assert attempt.cpu_us >= 0
        assert attempt.memory_bytes is None  # of a process with other jobs it is not known


def test_a_coroutine_has_no_cpu_time_because_it_shares_its_thread_with_others(callboard: Callboard) -> None:
    [attempt] = callboard.until(actors.fetch.send("page")).attempts

    assert attempt.cpu_us is None
