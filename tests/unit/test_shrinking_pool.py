"""The pool that closes unused connections: one that closes takes no room."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any

import pytest
from sqlalchemy.pool.base import _ConnectionRecord

from src.sql import engines


def test_while_an_unused_connection_closes_another_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the thread that wants it would wait until yet another one is returned."""
    create: Any = partial(sqlite3.connect, ":memory:")
    pool = engines.ShrinkingPool(create, pool_size=2, max_overflow=0, timeout=0.0, use_lifo=True)
    first, second = pool.connect(), pool.connect()
    close, taken = _ConnectionRecord.close, list[Any]()

    def close_slowly(entry: _ConnectionRecord) -> None:
        monkeypatch.undo()
        taken.extend([pool.connect(), pool.connect()])
        close(entry)

    first.close()
    monkeypatch.setattr(engines, "UNUSED_S", -1.0)
    monkeypatch.setattr(_ConnectionRecord, "close", close_slowly)

    second.close()

    assert len(taken) == 2
    assert pool.checkedout() == 2
    for one in taken:
        one.close()
    pool.dispose()
