"""Memory that a busy moment has left free goes back to the system, from between blocks that are in use, too."""

from __future__ import annotations

import subprocess
import sys

import pytest

from src.broker.process import memory
from tests.harness import ROOT

#: makes blocks of the C library's heap, frees most, and prints by how many megabytes giving back makes the process smaller
_PROGRAM = """
from src.broker.process.memory import give_back, resident_bytes

blocks = [bytes(5_000) for _ in range(8_000)]
kept = blocks[::1000]
last = bytes(5_000)
del blocks
before = resident_bytes()
give_back()
print((before - resident_bytes()) // 1_000_000)
"""


def test_free_blocks_between_others_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 20


def test_it_is_done_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    present, given = 1000.0, list[float]()
    monkeypatch.setattr("src.broker.process.memory.time.monotonic", lambda: present)
    monkeypatch.setattr(memory, "give_back", lambda: given.append(present))
    due = memory.GiveBack()
    for present in range(1000, 1200, 2):  # noqa: B007 - the clock's
        due.if_due()

    assert given == [1060, 1120, 1180]
