"""JSON values as text for pages: whole, their beginning, or one line."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ...operations.format.json_documents import printable

#: maximum characters of a value in a table row
LINE_LENGTH = 80
#: characters of a long value shown on a page
BEGINNING = 20_000


class Beginning(NamedTuple):
    """The beginning of a value, or all of a short one."""

    text: str
    is_cut: bool


def pretty(value: Any) -> str:
    """A JSON value for display: text unchanged, everything else indented."""
    return printable(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False))


def beginning(value: Any, most: int = BEGINNING, *, indent: int | None = 2) -> Beginning:
    """The beginning of what `pretty` returns; encodes no more of a long value than it shows."""
    text = value if isinstance(value, str) else ""
    if not isinstance(value, str):
        pieces, size = [], 0
        for piece in json.JSONEncoder(ensure_ascii=False, indent=indent).iterencode(value):
            pieces.append(piece)
            size += len(piece)
            if size > most:
                break
        text = "".join(pieces)
    is_cut = len(text) > most
    return Beginning(printable(f"{text[: most - 1]}…" if is_cut else text), is_cut)


def line(value: Any) -> str:
    """A JSON value shortened to one line."""
    return beginning(value, LINE_LENGTH, indent=None).text
