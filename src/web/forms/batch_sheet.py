"""Batch file: read a CSV for one actor, validate each row, and write it again with the outcomes."""

from __future__ import annotations

from collections.abc import Sequence

from werkzeug.datastructures import MultiDict

from ...actor_schema.signature import Signature
from ...formats import spreadsheets
from ...jobs.batches.batches import Row
from ...jobs.core.errors import InvalidArguments, JobsError
from ...operations.arguments.error_places import at_places
from ...operations.arguments.field import PRESENT, Field, Kind, every
from ...operations.arguments.fields import fields_of
from ...operations.arguments.reading import read
from ...operations.format.json_documents import MASK

#: limits of a file: one transaction submits all its rows
MAX_BYTES = 8 * 1024 * 1024
MAX_ROWS = 10_000
MAX_COLUMNS = 500
#: prefix of the outcome columns; ignored on upload, so that a downloaded file can be uploaded again
OWN = "callboard_"

_YES, _NO = frozenset({"true", "yes", "1", "x", "on"}), frozenset({"false", "no", "0", "off"})
_NOT_YES_OR_NO = "Write yes or no."
_NOT_A_FILE = "A row cannot contain a file: upload it with POST /api/v1/files, then write ID/NAME here (the returned id and the file name)."


class UnreadableSheet(JobsError):
    """The file cannot be read as rows of this actor; the message says the cure."""


class Sheet:
    """Columns of an actor's batch file, and the conversion of cells to arguments."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._fields = fields_of(signature)
        self._by_name = {each.name: each for each in every(self._fields)}

    @property
    def columns(self) -> list[Field]:
        """The columns of the template: leaves of groups; nested rows are JSON."""
        return [each for each in every(self._fields) if each.kind is not Kind.GROUP]

    @property
    def required(self) -> list[str]:
        """The required columns."""
        return [each.name for each in self._fields if each.required and each.kind is not Kind.GROUP]

    def read(self, data: bytes) -> tuple[list[str], list[Row]]:
        """Parse a file into header and validated rows. Raises UnreadableSheet."""
        try:
            lines, _ = spreadsheets.read(data)
        except spreadsheets.Unreadable as error:
            raise UnreadableSheet(str(error)) from None
        if not lines or not any(cell.strip() for cell in lines[0]):
            raise UnreadableSheet("The file has no header row. Download the template for the column names.")
        header = [cell.strip() for cell in lines[0]]
        while not header[-1]:  # spreadsheets write empty columns at the end
            header.pop()
        if len(header) > MAX_COLUMNS:
            raise UnreadableSheet(f"The file has {len(header)} columns; one batch takes at most {MAX_COLUMNS}.")
        self._check_header(header)
        numbered = [(number, line) for number, line in enumerate(lines[1:], start=2) if any(cell.strip() for cell in line)]
        if not numbered:
            raise UnreadableSheet("The file has no rows below the header.")
        if len(numbered) > MAX_ROWS:
            raise UnreadableSheet(f"The file has {len(numbered)} rows; one batch takes at most {MAX_ROWS}. Split it.")
        return header, [self._row(number, header, line) for number, line in numbered]

    def _check_header(self, header: Sequence[str]) -> None:
        names = [name for name in header if name]
        unknown = [name for name in names if name not in self._by_name and not name.startswith(OWN)]
        if unknown:
            listed = ", ".join(each.name for each in self.columns)
            raise UnreadableSheet(f"Unknown column {unknown[0]!r}. The columns are: {listed or 'none'}.")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise UnreadableSheet(f"The column {twice[0]!r} appears twice.")
        missing = [name for name in self.required if name not in names]
        if missing:
            raise UnreadableSheet(f"The required column {missing[0]!r} is missing.")

    def _row(self, number: int, header: Sequence[str], line: Sequence[str]) -> Row:
        shown = [MASK if cell and self._is_secret(name) else cell for name, cell in zip(header, line, strict=False)]
        shown += [""] * (len(header) - len(shown))
        if any(cell.strip() for cell in line[len(header) :]):
            return Row(
                number,
                shown,
                problems=[("", f"The row has {len(line)} cells, the header {len(header)}: quote cells that contain the separator.")],
            )
        nameless = next((at for at, (name, cell) in enumerate(zip(header, line, strict=False), start=1) if cell.strip() and not name), None)
        if nameless is not None:
            return Row(number, shown, problems=[("", f"Cell {nameless} of the row is in a column without a name: name it in the header.")])
        sent: MultiDict[str, str] = MultiDict()
        problems: dict[str, str] = {}
        for name, cell in zip(header, line, strict=False):
            if name in self._by_name:
                problem = _send(self._by_name[name], cell, sent)
                if problem:
                    problems[name] = problem
        reading = read(self._fields, sent)
        problems = {**reading.errors, **problems}
        try:
            args, kwargs = self._signature.check(*self._signature.arrange(reading.values))
        except InvalidArguments as error:
            # Keep the first error of a column: "missing" is only a consequence of "unreadable".
            problems = {**at_places(self._fields, error), **problems}
        if problems:
            return Row(number, shown, problems=[(_column(place, header), text) for place, text in problems.items()])
        return Row(number, shown, args, kwargs)

    def _is_secret(self, name: str) -> bool:
        return name.split(".")[0] in self._signature.secrets


def _column(place: str, header: Sequence[str]) -> str:
    """The column of an error: its own, or that of the enclosing JSON."""
    parts = place.split(".")
    return next((name for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in header), place)


def _send(each: Field, cell: str, sent: MultiDict[str, str]) -> str | None:
    """Store a cell under the name of the form input; return its error."""
    text = cell.strip()
    if not text:
        # An empty cell is omitted, so that the function's default applies, unless empty is a value.
        if each.required and each.nullable:
            sent[each.name] = ""
        return None
    if each.kind is Kind.CHECKBOX:
        if text.lower() not in _YES | _NO:
            return _NOT_YES_OR_NO
        sent[each.name + PRESENT] = "1"
        if text.lower() in _YES:
            sent[each.name] = "true"
    elif {choice.text for choice in each.choices} == {"yes", "no"}:
        if text.lower() not in _YES | _NO:
            return _NOT_YES_OR_NO
        sent[each.name] = "yes" if text.lower() in _YES else "no"
    elif each.is_file:
        parts = text.split(";") if each.kind is Kind.FILES and not text.startswith(("{", "[")) else [text]
        if not all(part.strip().startswith(("file_", "{", "[")) for part in parts):
            return _NOT_A_FILE
        sent.setlist(each.name, [part.strip() for part in parts])
    elif each.kind in (Kind.LINES, Kind.CHECKBOXES):
        parts = [part.strip() for part in text.split("\n" if "\n" in text else ";")]
        if each.kind is Kind.LINES:
            sent[each.name] = "\n".join(parts)
        else:
            sent.setlist(each.name, parts)
    else:
        sent[each.name] = cell if each.kind in (Kind.TEXT, Kind.LONG, Kind.PASSWORD) else text
    return None
