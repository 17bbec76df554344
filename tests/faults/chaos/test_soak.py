"""Memory of every process under a load of ten minutes: within the bounds of docs/reference/memory.md."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.memory_bounds import MOST_MB, RELOADED_MB
from tests.harness import ROOT
from tests.harness.stores import STORES


@pytest.mark.slow  # ten minutes; tests/process/broker/test_memory.py and tests/sql/test_page_cache.py are its representatives
@pytest.mark.parametrize("name", STORES)
def test_no_process_exceeds_its_bound(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.soak", "--store", name, "--minutes", "10"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bounds_are_those_of_the_documentation() -> None:
    rows = [line.split("|")[1:3] for line in (ROOT / "docs/reference/memory.md").read_text().splitlines() if line.startswith("| `")]
    assert {name.strip().strip("`"): int(bound.split()[0]) for name, bound in rows} == MOST_MB
    assert f"{RELOADED_MB} MB after a reload" in rows[0][1]
