"""Pace of a waiter that polls: rarely from the first moment on, also while its job has no row."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from src.broker.compat import results


@pytest.mark.parametrize("waits_s", [0.5, 10.0])
def test_a_waiter_polls_more_and_more_rarely(waits_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pauses = SimpleNamespace(present=100.0), list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.present += seconds

    def nothing(*_: Any, **__: Any) -> None:
        clock.present += 0.0001

    monkeypatch.setattr(results, "time", SimpleNamespace(monotonic=lambda: clock.present, sleep=sleep))
    monkeypatch.setattr(results, "get_database", lambda: SimpleNamespace(direct=SimpleNamespace(read=nothing)))
    monkeypatch.setattr(results, "_whole", lambda _id: None)

    assert results._wait("an id without a row", clock.present + waits_s, None) is None

    assert pauses[0] == results.POLLING.first_s
    assert len(pauses) < 50 + 10 * waits_s
    assert max(pauses) <= results.POLLING.longest_s
