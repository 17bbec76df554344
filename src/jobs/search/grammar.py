"""Cutting a query into terms: `name:value`, `name:one,two`, `-name:value`, `"quoted text"`, and plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..core.errors import JobsError

#: characters of a query; more is a slip of the clipboard
LONGEST = 2_000
#: what no store holds: a NUL, and half of a surrogate pair, which JSON allows
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")
_NAME = re.compile(r"(-?)([a-z][a-z_]*(?:\.[^\s:\",]+)?):")


class QueryError(JobsError):
    """A query that is not understood; `start` and `end` are the characters at fault."""

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        super().__init__(message, field="q")
        self.text, self.start, self.end = text, start, max(end, start + 1)

    @property
    def pointer(self) -> str:
        """The query and, on a line below, carets under what is at fault."""
        return f"{self.text}\n{' ' * self.start}{'^' * (self.end - self.start)}"


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `name` is "" for words to search for; `start` and `end` are its place in the query."""

    name: str
    values: tuple[str, ...]
    is_not: bool
    start: int
    end: int
    text: str  # as it was typed

    def error(self, message: str, query: str) -> QueryError:
        """What is wrong with this term."""
        return QueryError(message, query, self.start, self.end)


def split(text: str) -> list[Term]:
    """The terms of a query; raises QueryError."""
    if len(text) > LONGEST:
        raise QueryError(f"A query has at most {LONGEST} characters.", text[:60], 0, 60)
    if (strange := _NO_TEXT.search(text)) is not None:
        raise QueryError("This is no character that a text has: leave it out.", text, *strange.span())
    terms, position = [], 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        term = _term(text, position)
        terms.append(term)
        position = term.end
    return terms


def quote(value: str) -> str:
    """The value as it must be written in a query to be read as it is."""
    if value and not re.search(r"[\s\",:]", value) and not value.startswith("-"):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _term(text: str, start: int) -> Term:
    named = _NAME.match(text, start)
    if named is None:
        is_not = text[start] == "-" and len(text) > start + 1 and not text[start + 1].isspace()
        values, end = _values(text, start + is_not, lists=False)
        return Term("", tuple(values), is_not, start, end, text[start:end])
    values, end = _values(text, named.end(), lists=True)
    if not any(values):
        raise QueryError(f"Say what {named[2]} is to be, e.g. {named[0]}VALUE, without a space behind the colon.", text, start, end)
    return Term(named[2], tuple(value for value in values if value), named[1] == "-", start, end, text[start:end])


def _values(text: str, position: int, *, lists: bool) -> tuple[list[str], int]:
    """The values from here to the next space, and where that is; commas part them where lists are taken."""
    values, opened = [""], None
    while position < len(text):
        character = text[position]
        if opened is not None:
            if character == '"':
                opened = None
            elif character == "\\" and position + 1 < len(text):
                position += 1
                values[-1] += text[position]
            else:
                values[-1] += character
        elif character == '"':
            opened = position
        elif character.isspace():
            break
        elif character == "," and lists:
            values.append("")
        else:
            values[-1] += character
        position += 1
    if opened is not None:
        raise QueryError("This quotation mark is not closed.", text, opened, len(text))
    return values, position
