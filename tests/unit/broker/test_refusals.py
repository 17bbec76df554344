"""Refused queues are retried at growing intervals, and logged rarely."""

from __future__ import annotations

from src.broker.core import refusals
from src.broker.core.log_throttle import LogThrottle
from src.broker.core.refusals import Refusals


def test_a_cause_is_worth_a_line_at_first_and_at_each_doubling() -> None:
    causes = LogThrottle()

    assert [times for _ in range(20) if (times := causes.count("one"))] == [1, 2, 4, 8, 16]
    assert causes.count("another") == 1
    assert causes.over("one") == 20
    assert causes.count("one") == 1


def test_pauses_grow_until_it_is_over() -> None:
    refused = Refusals("consuming")

    noted = [refused.note("mail", "RESOURCE_LOCKED") for _ in range(10)]

    assert noted[0] < 0.25
    assert noted[-1] >= 5.0
    assert refused.waits("mail")
    assert "mail" in refused
    assert not refused.waits("other")
    assert refusals.reasons()["mail"] == "consuming is refused: RESOURCE_LOCKED"
    refused.over("mail")
    assert "mail" not in refused
    assert "mail" not in refusals.reasons()
    assert refused.note("mail", "RESOURCE_LOCKED") < 0.25
