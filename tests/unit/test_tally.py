"""The tally of the measurements: counts of files that their processes have not made completely yet."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bench import tally


@pytest.mark.parametrize("cut", [0, 1, 23, 24, 47, 48])
def test_a_half_written_file_counts_its_whole_slots(tmp_path: Path, cut: int) -> None:
    slots = struct.pack("ddq", 1.0, 2.0, 3) + struct.pack("ddq", 0.5, 4.0, 2)
    (tmp_path / "1.tally").write_bytes(slots[:cut])

    seen = tally.look(tmp_path)

    assert seen.count == (0, 3, 5)[cut // 24]


def test_slots_of_all_processes_add_up(tmp_path: Path) -> None:
    (tmp_path / "1.tally").write_bytes(struct.pack("ddq", 1.0, 2.0, 3) + bytes(24))
    (tmp_path / "2.tally").write_bytes(struct.pack("ddq", 0.5, 4.0, 2))

    assert tally.look(tmp_path) == tally.Seen(5, 0.5, 4.0)
