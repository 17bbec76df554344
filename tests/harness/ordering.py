"""Order of test files: unit, sql, then the tiers with services; there folder by folder, the longest files first, so that all processes end together.

The files of a folder stay together: they share fixtures of the folder, which end when another folder's test comes.

`durations.json` has the seconds of each file as last measured; `./run test --measure` rewrites it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

TIERS = ("unit", "sql", "process", "faults", "browser")
FIRST_WITH_SERVICES = TIERS.index("process")
DURATIONS = Path(__file__).with_name("durations.json")
#: seconds of a test whose file has not been measured yet
GUESS_S = 0.3


def order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the same tests in the order of execution."""
    measured: dict[str, float] = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
    tests = Counter(file_of(item) for item in items)
    seconds = {file: measured.get(file, GUESS_S * number) for file, number in tests.items()}
    longest: dict[str, float] = {}
    for file, took in seconds.items():
        longest[folder_of(file)] = max(longest.get(folder_of(file), 0.0), took)

    def place(item: pytest.Item) -> tuple[int, float, str, float, str]:
        file = file_of(item)
        return min(TIERS.index(tier_of(item)), FIRST_WITH_SERVICES), -longest[folder_of(file)], folder_of(file), -seconds[file], file

    return sorted(items, key=place)


def folder_of(file: str) -> str:
    """Return the folder of a file: `tests/sql/web`."""
    return file.rpartition("/")[0]


def file_of(item: pytest.Item) -> str:
    """Return the file of a test's id: `tests/sql/web/test_api.py`."""
    return item.nodeid.partition("::")[0]


def waits_for_services(item: pytest.Item) -> bool:
    """True if the test's tier mostly waits for services."""
    return TIERS.index(tier_of(item)) >= FIRST_WITH_SERVICES


def tier_of(item: pytest.Item) -> str:
    """Return the tier of the test's file, e.g. `sql`; the last tier for a file outside of all."""
    tier = file_of(item).removeprefix("tests/").partition("/")[0]
    return tier if tier in TIERS else TIERS[-1]
