"""The import contracts of setup.cfg hold: which room may know which."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.harness import ROOT


def test_imports_go_one_way() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_each_room_says_its_law() -> None:
    for room in ("audit", "jobs", "broker", "mail", "reports", "backup", "actors", "scheduling", "sql", "telemetry", "actor_schema", "web"):
        law = (ROOT / "src" / room / "__init__.py").read_text().split('"""')[1]
        assert "law of this room" in law, room
