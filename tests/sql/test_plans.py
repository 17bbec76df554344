"""Statements written by hand: none reads a whole table that grows with every job (SQLite; those that tests execute are checked as they run)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import TextClause

import src.scheduling.housekeeping
from src.sql.database import Database
from src.sql.statements import Batch, Single
from tests.harness import plans
from tests.harness.stores import only_on

assert src.scheduling.housekeeping  # every room's statements are known


def written() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each statement that a module of the product holds."""
    for module_name, module in sorted(sys.modules.items()):
        if module_name.startswith("src."):
            for name, value in sorted(vars(module).items()):
                if isinstance(value, (Batch, Single)):
                    yield f"{module_name}.{name}", value.sqlite
                elif isinstance(value, dict) and isinstance(value.get("sqlite"), TextClause):
                    yield f"{module_name}.{name}", value["sqlite"].text


#: statements for PostgreSQL alone
_NOT_SQLITE = ("src.jobs.finish.result_waiters._ANNOUNCE", "src.jobs.finish.result_waiters._FORGET", "src.jobs.finish.result_waiters._NOTE")
STATEMENTS = {name: statement for name, statement in written() if name not in _NOT_SQLITE}


@only_on("sqlite")
@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_a_whole_table(database: Database, name: str) -> None:
    statement = STATEMENTS[name].replace("\\:", ":")
    values: dict[str, Any] = {parameter: "[]" if parameter == "rows" else 1 for parameter in re.findall(r"(?<![\w:]):(\w+)", statement)}

    assert plans.whole_reads(database, {statement: values}) == {}


def test_statements_are_found() -> None:
    assert len(STATEMENTS) > 60
