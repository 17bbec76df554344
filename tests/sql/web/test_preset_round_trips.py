"""A preset holds the saved values, and fills a form that sends them back unchanged."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from src.operations.arguments import untouched_form
from src.operations.arguments.field import identical
from src.operations.arguments.fields import fields_of, filled
from src.operations.arguments.reading import read as read_form
from src.operations.people.caller import Caller
from src.operations.people.roles import Role
from src.sql.database import Database, read, write
from src.web.forms import presets
from tests.harness.parameters import FEW, SIGNATURES, VALUES, amounts, check

BY = Caller("ada", Role.ADMIN, "user 1")


@amounts
def test_values_of_a_preset_are_those_that_were_saved(cases: int, database: Database) -> None:
    def back(values: dict[str, Any], number: int) -> None:
        signature = SIGNATURES[number]
        with write() as session:
            id = presets.save(session, "act", "mine", values, shared=False, by=BY).id
        with read() as session:
            kept = presets.find(session, id, BY).values
        assert identical(read_form(fields_of(signature), untouched_form.sent(filled(signature, [], kept))).values, values)

    check(cases // 2 if cases == FEW else cases, back, values=VALUES, number=st.integers(0, 1))
