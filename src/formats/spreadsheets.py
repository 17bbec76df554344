"""CSV as spreadsheets write and read it: separator, encoding and byte order mark, with formulas neutralised (CSV injection)."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

#: Excel writes its list separator, which is a semicolon where the decimal separator is a comma, and tabs in "Unicode text"; databases bars
SEPARATORS = (",", ";", "\t", "|")
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
#: beginnings that a spreadsheet runs as a formula, also behind blanks of any width; the last eight come from East Asian keyboards
_FORMULA = re.compile(r"[ \u200b\ufeff]*[\t\r\n]|[\s\u200b\ufeff]*[=+\-@＝＋－＠﹦﹢﹣﹫]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_NAMED_SEPARATOR = re.compile(r'"?sep=(.)"?\r?\n')
#: the longest value
csv.field_size_limit(64 * 1024 * 1024)


class Unreadable(ValueError):
    """The bytes are not a table; the message names the cure."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Format of a file. `mark`: it begins with a byte order mark."""

    separator: str = ","
    encoding: str = "utf-8"
    mark: bool = False


def read(data: bytes) -> tuple[list[list[str]], Dialect]:
    """Read the rows of a file, without the apostrophes that `harmless` adds, and its format. Raises Unreadable."""
    mark = next((each for each in _MARKS if data.startswith(each)), b"")
    encoding = _MARKS.get(mark, "utf-8")
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        raise Unreadable("The file is not UTF-8. Save it as “CSV UTF-8”.") from None
    if "\0" in text:
        raise Unreadable("This is not a text file. Save the table as CSV, not as a workbook.")
    named = _NAMED_SEPARATOR.match(text)
    separator = named[1] if named else ""
    rows = _rows(text[named.end() :], separator) if named else None
    if rows is None:
        separator, rows = _guessed(text)
    return [[plain(cell) for cell in row] for row in rows], Dialect(separator, encoding, bool(mark))


def write(rows: Iterable[Sequence[Any]], dialect: Dialect = Dialect()) -> Iterator[bytes]:
    """Write the lines of a file, with text neutralised by `harmless`."""
    mark = "\ufeff" if dialect.mark else ""
    for row in rows:
        line = io.StringIO()
        csv.writer(line, delimiter=dialect.separator).writerow([harmless(cell) if isinstance(cell, str) else cell for cell in row])
        yield (mark + line.getvalue()).encode(dialect.encoding, "replace")
        mark = ""


def harmless(text: str) -> str:
    """Prefix text with an apostrophe if a spreadsheet would run it as a formula; a plain number is kept. `plain` removes it."""
    return f"'{text}" if _FORMULA.match(text.lstrip("'")) and not _NUMBER.fullmatch(text) else text


def plain(cell: str) -> str:
    """Undo `harmless`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell.lstrip("'")) else cell


def _guessed(text: str) -> tuple[str, list[list[str]]]:
    header = text.partition("\n")[0]
    separator = max(SEPARATORS, key=header.count)
    rows = _rows(text, separator)
    if separator in header:
        return separator, rows
    # One column: the separator is one that splits no row.
    for other in SEPARATORS:
        if all(len(row) <= 1 for row in _rows(text, other)):
            return other, _rows(text, other)
    return separator, rows


def _rows(text: str, separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise Unreadable(f"This is not a CSV file: {error}. A quote within quotes is written twice.") from None
