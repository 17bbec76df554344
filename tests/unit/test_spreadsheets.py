"""CSV round trips: a downloaded file is read back unchanged, in every way a spreadsheet writes one; no value of it is a formula."""

from __future__ import annotations

import codecs
import csv
import io
from typing import Any

import pytest
from hypothesis import strategies as st

from src.actor_schema.signature import Signature
from src.formats import spreadsheets
from src.formats.spreadsheets import SEPARATORS, Dialect
from src.web.forms.batch_sheet import Sheet
from tests.harness.parameters import amounts, check

_CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6) | st.sampled_from(
    [
        "=1+1",
        "'=1+1",
        "''=x",
        "'",
        "'abc",
        "-5",
        "'-5",
        "+3.25",
        "@x",
        " =1",
        "a;b",
        "a,b",
        "a\tb",
        'say "x"',
        "a\nb",
        "\r=1",
        "＝1",
        "﹦1",
        "\u00a0=1",
        "\u3000@x",
        "\v=1",
        "\u200b=1",
        "",
        "ä",
    ]
)
_DIALECTS = st.builds(Dialect, st.sampled_from(SEPARATORS), st.just("utf-8"), st.booleans()) | st.builds(
    Dialect, st.sampled_from(SEPARATORS), st.sampled_from(["utf-16-le", "utf-16-be"]), st.just(True)
)


def act(text: str = "", many: list[str] = [], number: int | None = None, anything: Any = None) -> None:  # noqa: B006
    """Take what a row holds."""


@amounts
def test_a_downloaded_file_can_be_uploaded_with_the_same_meaning(cases: int) -> None:
    sheet = Sheet(Signature(act, "act"))
    header = ["text", "many", "number", "anything"]

    def back(rows: list[list[str]], dialect: Dialect) -> None:
        file = b"".join(spreadsheets.write([header, *rows], dialect))
        assert spreadsheets.read(file) == ([header, *rows], dialect)
        for row in csv.reader(io.StringIO(file.decode(dialect.encoding).removeprefix("\ufeff"), newline=""), delimiter=dialect.separator):
            assert not any(cell.startswith(("=", "@", "\t", "\r", "＝", "﹦", "\u00a0=", "\u3000@", "\v=", "\u200b=")) for cell in row)
        if any(any(cell.strip() for cell in row) for row in rows):
            _, first = sheet.read(file)
            _, second = sheet.read(b"".join(spreadsheets.write([header, *(row.cells for row in first)], dialect)))
            assert [(row.args, row.kwargs, bool(row.problems)) for row in first] == [
                (row.args, row.kwargs, bool(row.problems)) for row in second
            ]

    check(cases, back, rows=st.lists(st.lists(_CELLS, min_size=4, max_size=4), max_size=4), dialect=_DIALECTS)


@pytest.mark.parametrize(
    ("data", "rows", "dialect"),
    [
        (
            "x;y\r\n1;a,b\r\n".encode("utf-8-sig"),
            [["x", "y"], ["1", "a,b"]],
            Dialect(";", "utf-8", True),
        ),  # Excel where the comma is decimal
        (
            codecs.BOM_UTF16_LE + "x\ty\r\n1\tä\r\n".encode("utf-16-le"),
            [["x", "y"], ["1", "ä"]],
            Dialect("\t", "utf-16-le", True),
        ),  # its Unicode text
        (b'"x","y"\n1,"=a"\n', [["x", "y"], ["1", "=a"]], Dialect()),  # LibreOffice, each text quoted
        (b"sep=;\r\nx;y\r\n1;2\r\n", [["x", "y"], ["1", "2"]], Dialect(";")),
        (b"x\r\na, b\r\n", [["x"], ["a, b"]], Dialect(";")),  # one column: no separator to see, and a comma that is none
        (b"x,y\r1,2\r", [["x", "y"], ["1", "2"]], Dialect()),  # an old Mac's line ends
        (b"x|y\n1|a,b\n", [["x", "y"], ["1", "a,b"]], Dialect("|")),
        (b"x,y\n1,'=2\n", [["x", "y"], ["1", "=2"]], Dialect()),
    ],
)
def test_a_file_is_read_as_spreadsheets_write_it(data: bytes, rows: list[list[str]], dialect: Dialect) -> None:
    assert spreadsheets.read(data) == (rows, dialect)


def ratios(ratio: float = 0, whole: int = 0, wholes: list[int] = []) -> None:  # noqa: B006
    """Take numbers."""


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("ratio\n1e400\n", ("ratio", "Enter a finite number.")),
        ("whole\n1.000\n", ("whole", "Enter a whole number.")),  # a thousand in half of Europe
        ("wholes\n1;2.000\n", ("wholes", "Item 2: Enter a whole number.")),
        (",whole\n5,1\n", ("", "Cell 1 of the row is in a column without a name: name it in the header.")),
        ("whole,\n1,5\n", ("", "The row has 2 cells, the header 1: quote cells that contain the separator.")),
    ],
)
def test_a_cell_that_would_be_lost_or_another_number_is_refused(file: str, problem: tuple[str, str]) -> None:
    _, [row] = Sheet(Signature(ratios, "ratios")).read(file.encode())
    assert list(row.problems) == [problem]


def test_an_empty_column_without_a_name_is_left_out() -> None:
    _, [row] = Sheet(Signature(ratios, "ratios")).read(b",whole,\n,5,\n")
    assert row.kwargs == {"whole": 5}
