"""A parsed query: as SQL conditions, and in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from sqlalchemy import ColumnElement, and_, func, not_, or_, select

from ..core.models import Job
from ..core.states import State
from . import arguments, texts
from .fields import FAILED, FIELDS, of_text, states_of
from .grammar import Term, on_one_line, quote, split
from .texts import Place
from .values import Span, instants

#: an argument, or a field within one: arg.customer:17
ARGUMENT = "arg."
#: job numbers follow the order of submission except for transactions this long
SKEW = timedelta(minutes=10)
#: numbers of jobs that a bound by time may be off: reading them costs less than finding the exact one
NEAR = 500


@dataclass(frozen=True, slots=True)
class Query:
    """Terms of a query, all of which must match; the values of a term are alternatives."""

    text: str
    terms: tuple[Term, ...] = ()

    def conditions(self, place: Place, *, without: str | None = None) -> list[ColumnElement[bool]]:
        """Return the terms as SQL; `without`: except those of this name. Raises QueryError for a value that does not fit its field."""
        asked = [(term, self._condition(term, place)) for term in self.terms if without is None or term.name != without]
        place.others = [condition for term, condition in asked if not term.name.startswith(ARGUMENT)]
        return [condition for _, condition in asked]

    def states(self) -> list[State]:
        """Return the states that the `state:` terms allow; empty: all."""
        asked = [set(states_of(term.values)) for term in self.terms if term.name == "state" and not term.is_not]
        denied = {state for term in self.terms if term.name == "state" and term.is_not for state in states_of(term.values)}
        if not asked and not denied:
            return []
        return [state for state in State if all(state in each for each in asked) and state not in denied]

    def lowest(self, place: Place) -> int:
        """Return the lowest seq that can match, from conditions on the time of submission."""
        since = [span.low for span in self._created(place) if span.low is not None]
        return 0 if not since else _seq_at(place, max(since) - SKEW)[0]

    def highest(self, place: Place) -> int | None:
        """Return the highest seq that can match."""
        until = [span.high for span in self._created(place) if span.high is not None]
        return None if not until else _seq_at(place, min(until) + SKEW)[1]

    @property
    def reads_texts(self) -> bool:
        """True if it searches for words in actors and arguments."""
        return any(not term.name or term.name.startswith(ARGUMENT) for term in self.terms)

    @property
    def reads_only_texts(self) -> bool:
        """True if it searches for words and has no other terms but states."""
        return self.reads_texts and all(
            not term.is_not and (not term.name or term.name.startswith(ARGUMENT) or term.name == "state") for term in self.terms
        )

    def one(self, name: str) -> str | None:
        """Return the value of a field that occurs once, with one value."""
        found = [term.values for term in self.terms if term.name == name and not term.is_not]
        return found[0][0] if len(found) == 1 and len(found[0]) == 1 else None

    def without(self, term: Term) -> str:
        """Return the query without one of its terms."""
        return " ".join(each.text for each in self.terms if each is not term)

    def with_(self, name: str, value: str | None) -> str:
        """Return the query with this value for the field, replacing its terms; None: without the field."""
        kept = [each.text for each in self.terms if each.name != name]
        return " ".join([*([] if value is None else [f"{name}:{quote(value)}"]), *kept])

    def in_words(self) -> str:
        """Return it as the end of a sentence: "jobs whose state is dead, except those whose queue is mail"."""
        said = " and ".join(_say(term) for term in self.terms if not term.is_not)
        denied = " and ".join(f"those {_say(term)}" for term in self.terms if term.is_not)
        text = f"jobs {said}" if said else "all jobs"
        return f"{text}{',' if said else ''} except {denied}" if denied else text

    def _created(self, place: Place) -> list[Span[datetime]]:
        terms = [term for term in self.terms if term.name == "created" and not term.is_not and len(term.values) == 1]
        return [instants(term.values[0], place.present) for term in terms]

    def _condition(self, term: Term, place: Place) -> ColumnElement[bool]:
        parts: list[ColumnElement[bool]] = []
        for value in term.values:
            try:
                if not term.name:
                    parts.append(of_text(value, place))
                elif term.name.startswith(ARGUMENT):
                    arguments.refuse_comparison(term, value)
                else:
                    parts.append(FIELDS[term.name].make(value, place))
            except ValueError as error:
                raise term.error(_complaint(term, value, str(error)), self.text) from None
        if term.name.startswith(ARGUMENT):
            return arguments.condition(term, term.name.removeprefix(ARGUMENT), place)
        if not term.is_not:
            return or_(*parts)
        lacks = not_(func.coalesce(or_(*parts), False))
        if term.name:
            return lacks
        new = [seq for seq, text in place.tail.items() if texts.is_whole(text)]
        return and_(lacks, or_(texts.known_as_a_whole(place), Job.seq.in_(new)))


def parse(text: str, place: Place | None = None) -> Query:
    """Parse a query; raises QueryError. With a place its values are checked too."""
    text = on_one_line(text).strip()
    terms = split(text)
    for term in terms:
        if term.name and not term.name.startswith(ARGUMENT) and term.name not in FIELDS:
            raise term.error(_unknown(term), text)
        if not term.name and not any(term.values):
            raise term.error("There is nothing between these quotation marks.", text)
    query = Query(text, tuple(terms))
    if place is not None:
        query.conditions(place)
    return query


def _unknown(term: Term) -> str:
    near = get_close_matches(term.name, FIELDS, n=1)
    hint = f" Did you mean {near[0]}:?" if near else f" There are {', '.join(f'{name}:' for name in FIELDS)} and arg.NAME:."
    return f"{term.name}: is not a search field.{hint} To search for this text, put it in quotation marks."


def _complaint(term: Term, value: str, why: str) -> str:
    if why[:1].isupper():
        return f"{why}."
    return f"{term.name or 'This'}{':' if term.name else ''} does not take {value!r}: {why}." if term.name else f"To search, {why}."


def _say(term: Term) -> str:
    field = FIELDS.get(term.name)
    values = " or ".join((field.word(value) if field else value) or '""' for value in term.values)
    if not term.name:
        return f"with “{values}” in id, actor or arguments"
    if field is None:
        return f"whose argument {term.name.removeprefix(ARGUMENT)} is {values}"
    if term.name == "state" and FAILED in term.values:
        values = values.replace(FAILED, "retrying or dead")
    return f"{field.says} {values}"


def _seq_at(place: Place, instant: datetime) -> tuple[int, int]:
    """Return numbers of jobs between which the first one submitted after an instant is, at most NEAR apart.

    Numbers and times ascend together, mostly evenly: interpolation, with bisection in turn, needs few statements.
    """
    # Two statements: SQLite reads one end from an index at once, but scans everything for both.
    first, last = (_submitted(place, order).first() for order in (Job.seq, Job.seq.desc()))
    if first is None or last is None or last.created_at < instant:
        return (0, 0) if last is None else (last.seq + 1, last.seq + 1)
    (low, low_at), (high, high_at), turn = first, last, 0
    while high - low > NEAR:
        turn += 1
        share = 0.5 if turn % 3 == 0 or high_at <= low_at else (instant - low_at) / (high_at - low_at)
        guess = min(max(low + 1, low + int((high - low) * share)), high - 1)
        found = _submitted(place, Job.seq, Job.seq >= guess).first()
        if found is None or found.created_at >= instant:
            high, high_at = guess, high_at if found is None else found.created_at
        else:
            low, low_at = found.seq, found.created_at
    return low, high


def _submitted(place: Place, order: Any, *conditions: ColumnElement[bool]) -> Any:
    return place.session.execute(select(Job.seq, Job.created_at).where(*conditions).order_by(order).limit(1))
