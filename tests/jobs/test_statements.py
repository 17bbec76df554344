"""Batch: rows of every kind of value arrive in the statement as they were given, on both stores."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.database import Database
from src.jobs.statements import Batch

ECHO = Batch({"number": "bigint", "word": "text", "truth": "boolean"}, "SELECT d.number, d.word, d.truth FROM {rows} ORDER BY d.number")
words = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
awkward = st.sampled_from(["", "NULL", "null", "{}", '{"a": [1]}', '"', "\\", '\\"', ",", " ", "a,b", "\n", "None", "%s", ":name"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.tuples(words | awkward | st.none(), st.booleans() | st.none()), max_size=8))
def test_values_arrive_as_they_were_given(database: Database, values: list[tuple[str | None, bool | None]]) -> None:
    rows = [(2**40 + number, word, truth) for number, (word, truth) in enumerate(values)]

    with database.read() as session:
        found = ECHO.execute(session, rows)

    assert [tuple(row) for row in found] == rows


def test_a_number_may_be_missing(database: Database) -> None:
    with database.read() as session:
        found = ECHO.execute(session, [(1, "a", True), (None, "b", False)])

    assert {tuple(row) for row in found} == {(1, "a", True), (None, "b", False)}
