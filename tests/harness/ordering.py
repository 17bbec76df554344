"""Order of test files: tier by tier, cheap ones first; within a tier the longest file first, so that all processes end together.

`durations.json` has the seconds of each file as last measured; `./run test --measure` rewrites it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

TIERS = ("unit", "sql", "process", "faults", "browser")
DURATIONS = Path(__file__).with_name("durations.json")
#: seconds of a test whose file has not been measured yet
GUESS_S = 0.3


def order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the same tests in the order of execution."""
    measured: dict[str, float] = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
    tests = Counter(file_of(item) for item in items)
    return sorted(
        items, key=lambda item: (TIERS.index(tier_of(item)), -measured.get(file_of(item), GUESS_S * tests[file_of(item)]), file_of(item))
    )


def file_of(item: pytest.Item) -> str:
    """Return the file of a test's id: `tests/sql/web/test_api.py`."""
    return item.nodeid.partition("::")[0]


def tier_of(item: pytest.Item) -> str:
    """Return the tier of the test's file, e.g. `sql`; the last tier for a file outside of all."""
    tier = file_of(item).split("/")[1]
    return tier if tier in TIERS else TIERS[-1]
