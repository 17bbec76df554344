"""Terms about arguments, such as arg.customer.id:17: the text index selects jobs, and their rows decide."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, union_all
from sqlalchemy.orm import aliased

from ..core.guards import guarded
from ..core.models import Job
from . import texts
from .grammar import Term
from .texts import Place

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_NOT_A_VALUE = re.compile(r"[<>].*|.*\*.*|(-?\d+(\.\d+)?)?\.\.(-?\d+(\.\d+)?)?", re.DOTALL)
#: values that the index looks up one by one; for more it looks up the name
MOST_LOOKUPS = 5


class Wanted:
    """Values as typed: each is a text, and the number or constant of this spelling."""

    def __init__(self, values: Iterable[str]) -> None:
        self.texts = frozenset(values)
        self.numbers = {number for text in self.texts if (number := _number(text)) is not None}
        others = [*sorted(self.texts & {"true", "false", "null"}), *(form for number in self.numbers for form in _forms(number))]
        #: how JSON writes each value that is wanted: in rows, and in texts
        self.in_rows = [*map(json.dumps, self.texts), *others]
        self.in_texts = [*(json.dumps(text, ensure_ascii=False).lower() for text in self.texts), *others]

    def holds(self, value: Any) -> bool:
        """True for the same text, constant or number: 100 is 100.0."""
        if value is None or isinstance(value, bool):
            return json.dumps(value) in self.texts
        return value in self.texts if isinstance(value, str) else isinstance(value, int | float) and value in self.numbers


def condition(term: Term, path: str, place: Place) -> ColumnElement[bool]:
    """Condition: one of the values is at this path of the arguments by name, or in a list there.

    With a minus only jobs that surely lack it: none whose arguments cannot be read here.
    """
    names, wanted = path.split("."), Wanted(term.values)

    def holds(actor: str | None, args: Any, kwargs: Any) -> bool:
        known = None
        with guarded("arguments_not_searchable", actor=actor):
            known = texts.arguments_of(actor, args, kwargs)
        return known is not None and any(map(wanted.holds, _at(known, names))) != term.is_not

    if not term.is_not:
        return place.decide(*_may_be(path, wanted, place), holds)
    # A job that is committed between the decision and the search has no text yet: it is not found.
    lacks = texts.known_as_a_whole(place, ~_mentions(path, wanted, place))
    return or_(lacks, place.decide(~lacks, False, holds))


def refuse_comparison(term: Term, value: str) -> None:
    """Raise ValueError with the cure for a wildcard, comparison or range."""
    if value not in term.quoted and _NOT_A_VALUE.fullmatch(value):
        raise ValueError(
            "an argument is found by its whole value. If these signs belong to it, put it in quotation marks; to find a part of it, search for that word"
        )


def _at(value: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yield the values at a path; a list stands for each of its items, and a name may contain points."""
    if isinstance(value, list):
        for each in value:
            yield from _at(each, names)
    elif not names:
        yield value
    elif isinstance(value, Mapping):
        for length in range(1, len(names) + 1):
            if (name := ".".join(names[:length])) in value:
                yield from _at(value[name], names[length:])


def _may_be(path: str, wanted: Wanted, place: Place) -> tuple[ColumnElement[bool], bool]:
    """Condition: a job may have one of the values: by its text, or because this is cut or not written yet. And whether such jobs are few."""
    needles = {form.strip('"') for form in wanted.in_texts}
    needles = {each for each in needles if not any(other != each and other in each for other in needles)}
    if len(needles) > MOST_LOOKUPS or min(map(len, needles)) < texts.SHORTEST:
        needles = {_key(path)}
    in_row = or_(*(place.mentions(column, wanted.in_rows) for column in (Job.args, Job.kwargs)))
    last, few = texts.newest(place.session), texts.few([*needles, texts.CUT], place)
    if few is not None:
        return and_(or_(Job.seq.in_(few), Job.seq > last), in_row), True
    other, mentions = aliased(Job), _mentions(path, wanted, place)
    # One list of numbers: both stores look up its few jobs, but would scan them all for alternatives.
    suspects: Any = union_all(
        *(texts.written(needle, place, mentions) for needle in needles),
        texts.written(texts.CUT, place),
        select(other.seq).where(other.seq > last, *texts.within(other.seq)),
    )
    return and_(Job.seq.in_(suspects), in_row), False


def _mentions(path: str, wanted: Wanted, place: Place) -> ColumnElement[bool]:
    """Condition: a text has one of these values behind the last name of the path, or a list there and the value anywhere."""
    text, key = texts.columns(place.session)[0], _key(path)
    behind = place.mentions(text, [f"{key}{form}{end}" for form in wanted.in_texts for end in ",}"])
    return or_(behind, and_(place.mentions(text, [f"{key}["]), place.mentions(text, wanted.in_texts)))


def _key(path: str) -> str:
    """The end of the last name as texts contain it: a name may itself contain points."""
    return f"{json.dumps(path.rpartition('.')[2], ensure_ascii=False)[1:]}:".lower()


def _number(text: str) -> int | float | None:
    """Return the number that JSON writes so."""
    found = _NUMBER.fullmatch(text)
    number = None if found is None else float(text) if found[1] or found[2] else int(text)
    return None if number in (math.inf, -math.inf) else number


def _forms(number: int | float) -> Iterator[str]:
    """Yield how JSON writes the integer and the float of this value."""
    if number == int(number):
        yield str(int(number))
    with suppress(OverflowError):  # an integer beyond floats
        yield repr(float(number))
