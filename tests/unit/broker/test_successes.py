"""Successful attempts are logged a few times a second, with the number that a line stands for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from src.broker.execute import endings
from src.broker.execute.endings import Successes


def test_each_is_logged_when_there_are_few_and_counted_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr(endings, "log", SimpleNamespace(info=lambda event, **fields: logged.append({"event": event, **fields})))
    successes = Successes()
    running: Any = SimpleNamespace(job=SimpleNamespace(id="1", actor="add", attempt=2))
    monkeypatch.setattr(Successes, "EVERY_S", 0.0)
    for _ in range(3):
        successes.note(running, 0.12345)
    assert logged == [{"event": "attempt_succeeded", "job_id": "1", "actor": "add", "attempt": 2, "seconds": 0.123}] * 3
    monkeypatch.setattr(Successes, "EVERY_S", 3600.0)
    for _ in range(50):
        successes.note(running, 0.1)
    assert len(logged) == 3
    monkeypatch.setattr(Successes, "EVERY_S", 0.0)
    successes.note(running, 0.1)
    assert logged[-1]["others_before"] == 50
