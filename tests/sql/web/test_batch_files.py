"""A batch's file is returned as uploaded: its separator, its encoding, its rows."""

from __future__ import annotations

import codecs
from typing import Any

import pytest
from sqlalchemy import select

import tests.actors.web
from src.jobs.batches.models import BatchRow
from src.operations.people.roles import Role
from src.sql.database import read
from tests.harness.site import Site
from tests.sql.web.test_batches import bring

assert tests.actors.web

_ROWS = 'items;wrapped\r\n"[{""name"": ""=1+1""}]";yes\r\n"[{""name"": ""ä""}]";no\r\n'


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"", "utf-8"), (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
)
def test_a_downloaded_file_is_uploaded_again_as_the_same_arguments(site: Site, mark: bytes, encoding: str) -> None:
    visit = site.browser(Role.OPERATOR)
    first = bring(visit, "order", mark + _ROWS.encode(encoding)).location
    file = visit.get(f"{first}/rows.csv").data
    assert file.startswith(mark + "items;wrapped;callboard_state".encode(encoding))
    second = bring(visit, "order", file).location
    assert _arguments(second) == _arguments(first)
    assert len(_arguments(first)) == 2


@pytest.mark.parametrize("cell", ["=1+1", "'=1+1", "-5", "'x", "@a"])
def test_the_apostrophe_before_a_formula_is_not_a_part_of_it(site: Site, cell: str) -> None:
    visit = site.browser(Role.OPERATOR)
    first = bring(visit, "unlock", f"key,door\nk,'{cell}\n" if cell[0] in "=@" else f"key,door\nk,{cell}\n").location
    door = _arguments(first)[0][1]["door"]
    file = visit.get(f"{first}/rows.csv").data.replace("••••••".encode(), b"k")
    second = bring(visit, "unlock", file).location
    assert _arguments(second)[0][1]["door"] == door


def _arguments(page: str) -> list[tuple[Any, Any]]:
    with read() as session:
        rows = session.execute(select(BatchRow).where(BatchRow.batch_id == page.rsplit("/", 1)[1]).order_by(BatchRow.number)).scalars()
        return [(row.args, row.kwargs) for row in rows]
