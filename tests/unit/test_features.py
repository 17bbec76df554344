"""docs/explanation/features.md names tests that exist."""

from __future__ import annotations

import re

from tests.harness import ROOT

PAGE = ROOT / "docs" / "explanation" / "features.md"


def test_each_feature_names_tests_that_exist() -> None:
    rows = [line.split("|")[1:4] for line in PAGE.read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    named = {path for *_, shown in rows for path in re.findall(r"`([^`]+)`", shown)}

    assert [int(number) for number, *_ in rows] == list(range(1, 27))
    assert all("`" in shown for *_, shown in rows)
    assert [path for path in sorted(named) if not (ROOT / "tests" / path).is_file()] == []
