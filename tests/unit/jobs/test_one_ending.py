"""One ending: only src/jobs/finish/ending.py moves jobs to final states and applies the consequences."""

from __future__ import annotations

import re

import pytest

from src.jobs.core.states import FINAL
from tests.harness import ROOT

ENDING = ROOT / "src/jobs/finish/ending.py"
#: consequences of an ending, and other modules that may apply them
PARTS = {
    "concurrency.free(": set(),
    "fair_queueing.top_up(": {"jobs/submit/submission.py", "broker/recover/relay.py"},  # jobs that are added, and those that were not seen
    "events.note(": set(),
    "result_waiters.announce(": set(),
    "steps.mark(": set(),
    "steps.advance(": set(),
}
_SET = re.compile(r"UPDATE jobs SET(.*?)(?:\bFROM\b|\bWHERE\b)", re.DOTALL)
_FINAL = re.compile("|".join(rf"'{state}'|'{{State\.{state.name}}}'|state=State\.{state.name}" for state in FINAL) + r"|\bstate = d\.state")


def sources() -> dict[str, str]:
    files = [path for room in ("jobs", "broker", "schedules", "scheduling", "actors") for path in (ROOT / "src" / room).rglob("*.py")]
    return {path.relative_to(ROOT / "src").as_posix(): path.read_text() for path in files if path != ENDING}


@pytest.mark.parametrize("part", PARTS)
def test_only_the_ending_does_what_follows_from_it(part: str) -> None:
    assert {name for name, text in sources().items() if part in text} == PARTS[part]


def test_only_the_ending_writes_final_states() -> None:
    statements = {
        name: [*_SET.findall(text), *re.findall(r"update\(Job\).*?\.values\((.*?)\)", text, re.DOTALL)] for name, text in sources().items()
    }

    assert {name for name, found in statements.items() if any(_FINAL.search(each) for each in found)} == set()
    assert len([each for each in _SET.findall(ENDING.read_text()) if _FINAL.search(each)]) >= 5, (
        "the pattern finds what it is meant to find"
    )
