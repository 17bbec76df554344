"""Query grammar: split a query into terms: `name:value`, `name:one,two`, `-name:value`, `"quoted text"`, and plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..core.errors import JobsError

#: maximum length of a query; more is an accidental paste
LONGEST = 2_000
#: characters that no store holds: a NUL, and a lone surrogate, which JSON allows
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")
#: characters that a backslash stands before within quotation marks; before any other it is a backslash
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "r": "\r"}
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BREAKS = {"\n": r"\n", "\r": r"\r"}
_BREAK = re.compile(r"\\.|[\r\n]", re.DOTALL)
_NAME = re.compile(r"(-?)([a-z][a-z_]*(?:\.[^\s:\",]+)?):")


class QueryError(JobsError):
    """A query that cannot be parsed; `start` and `end` delimit the invalid characters."""

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        super().__init__(message, field="q")
        self.text, self.start, self.end = text, start, max(end, start + 1)

    @property
    def pointer(self) -> str:
        """Return the query with carets under the invalid part on a second line."""
        return f"{self.text}\n{' ' * self.start}{'^' * (self.end - self.start)}"


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `name` is "" for plain words; `start` and `end` are its position in the query."""

    name: str
    values: tuple[str, ...]
    is_not: bool
    start: int
    end: int
    text: str  # as typed
    quoted: frozenset[str] = frozenset()  # values, or parts of them, that stood in quotation marks

    def error(self, message: str, query: str) -> QueryError:
        """Return an error that points at this term."""
        return QueryError(message, query, self.start, self.end)


def split(text: str) -> list[Term]:
    """Split a query into terms; raises QueryError."""
    if len(text) > LONGEST:
        raise QueryError(f"A query has at most {LONGEST} characters.", text[:60], 0, 60)
    if (strange := _NO_TEXT.search(text)) is not None:
        raise QueryError("A text cannot contain this character: leave it out.", text, *strange.span())
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
    """Quote a value, if necessary, so that it is parsed literally."""
    if value and not re.search(r"[\s\",:]", value) and not value.startswith("-"):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return on_one_line(f'"{escaped}"')


def on_one_line(text: str) -> str:
    """Return a query as an input can hold it: line breaks within quotation marks are escaped, others are blanks."""
    text = _QUOTED.sub(lambda quoted: _BREAK.sub(_escaped_break, quoted[0]), text)
    return re.sub(r"\r\n?|\n", " ", text)


def _escaped_break(found: re.Match[str]) -> str:
    before, character = found[0][:-1], found[0][-1]
    return found[0] if character not in _BREAKS else before * 2 + _BREAKS[character]


def _term(text: str, start: int) -> Term:
    named = _NAME.match(text, start)
    if named is None:
        is_not = text[start] == "-" and len(text) > start + 1 and not text[start + 1].isspace()
        values, _, end = _values(text, start + is_not, lists=False)
        return Term("", tuple(values), is_not, start, end, text[start:end])
    minus, name = named.groups()
    values, quoted, end = _values(text, named.end(), lists=True)
    if not any(values):
        raise QueryError(f"Say what {name} is to be, e.g. {named.group()}VALUE, without a space behind the colon.", text, start, end)
    return Term(name, tuple(value for value in values if value), minus == "-", start, end, text[start:end], quoted)


def _values(text: str, position: int, *, lists: bool) -> tuple[list[str], frozenset[str], int]:
    """Parse the values up to the next space; return them, those with quotation marks, and its position.

    Commas separate them where lists are allowed.
    """
    values, opened, quoted = [""], None, set()
    while position < len(text):
        character = text[position]
        if opened is not None:
            if character == '"':
                opened = None
            elif character == "\\" and text[position + 1 : position + 2] in _ESCAPES:
                position += 1
                values[-1] += _ESCAPES[text[position]]
            else:
                values[-1] += character
        elif character == '"':
            opened = position
            quoted.add(len(values) - 1)
        elif character.isspace():
            break
        elif character == "," and lists:
            values.append("")
        else:
            values[-1] += character
        position += 1
    if opened is not None:
        raise QueryError("This quotation mark is not closed.", text, opened, len(text))
    return values, frozenset(values[each] for each in quoted), position
