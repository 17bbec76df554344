"""Numbers with their nouns: one thing has the singular, none and many have the plural."""

from __future__ import annotations

from src.formats.quantities import counted


def test_one_has_the_singular_and_everything_else_the_plural() -> None:
    assert [counted(each, "job") for each in (0, 1, 2, 4312)] == ["0 jobs", "1 job", "2 jobs", "4\u202f312 jobs"]
    assert [counted(each, "dead letter", separator=",") for each in (1, 4312)] == ["1 dead letter", "4,312 dead letters"]
    assert [counted(each, "stale copy", "stale copies") for each in (1, 2)] == ["1 stale copy", "2 stale copies"]
    assert [counted(each, "job was", "jobs were") for each in (1, 2)] == ["1 job was", "2 jobs were"]
