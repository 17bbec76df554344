"""Searchable text of jobs: actor and arguments without secrets, in a separate table.

Written by the scheduler soon after submission, never on a job's path. SQLite stores them in an FTS5 table of trigrams,
PostgreSQL under a trigram index (pg_trgm, if available). Newer jobs are searched one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.orm import Session

from ...hooks import Hook
from ...sql.clock import now
from ...sql.statements import is_sqlite
from ..core.guards import guarded
from ..core.models import Job
from .values import escaped

#: minimum length of text that a trigram index can find
SHORTEST = 3
#: characters of a text that are stored
LONGEST = 4_000
#: end of a text that is cut, which the index finds
CUT = "qzxqzxq"
#: newest jobs that are searched although their text is not written yet
TAIL = 1_000
#: how many jobs before the newest written one are checked for late commits
LATE = 5_000
#: trigrams of a number that are looked up
MOST_TRIGRAMS = 5
#: a number so long that few texts hold its trigrams
_LONG_NUMBER = re.compile(r"[0-9]{5,}")
#: texts per transaction: few enough not to block others
AT_ONCE = 500
#: alternatives that are written out; a list is slower
MOST_IN_LINE = 20
#: rows that a stretch of a search reads in order to decide
AT_MOST = 1_000

#: (actor, args, kwargs) -> the arguments by name, secrets masked; None: the actor is unknown here
Reading = Callable[[str | None, Any, Any], Mapping[str, Any] | None]
#: (actor, args, kwargs) -> whether a term holds
Holding = Callable[[str | None, Any, Any], bool]

_TEXTS = {
    store: table("job_texts", column(key, BigInteger), column("text", Text)) for store, key in (("sqlite", "rowid"), ("postgresql", "seq"))
}
#: names arguments and masks secret ones
search_fields: Hook[Reading] = Hook("search fields")


def arguments_of(actor: str | None, args: Any, kwargs: Any) -> Mapping[str, Any] | None:
    """Return the arguments by name without the secret ones; None: the actor is unknown here."""
    return search_fields.part(actor, args, kwargs)


def text_of(actor: str | None, args: Any, kwargs: Any) -> str:
    """Return the searchable text of a job, in lower case. For an unknown actor only its name: its arguments may be secret.

    Characters that a store cannot hold, and unreadable arguments, are left out: one job must not keep the others from
    being indexed.
    """
    arguments = ""
    search_fields.require()  # outside the guard, which would log the missing part once for each job
    with guarded("arguments_not_searchable", actor=actor):
        known = arguments_of(actor, args, kwargs)
        arguments = "" if known is None else json.dumps(known, ensure_ascii=False, separators=(",", ":"))
    text = (_unknown(actor) + arguments).lower().replace("\x00", "").encode("utf-8", "ignore").decode()
    return text if len(text) < LONGEST else text[: LONGEST - len(CUT)] + CUT


def is_whole(text: str) -> bool:
    """True for a text that is not cut and holds the arguments."""
    return len(text) < LONGEST and not text.endswith("\n")


def _unknown(actor: str | None) -> str:
    """The text of a job without arguments, or of an actor that is unknown here."""
    return f"{actor or ''}\n"


class Place:
    """Context of a query: a session, whose store it is, and the texts of the newest jobs, which are not written yet.

    `present`: the instant from which `yesterday` or `10m` count.
    """

    def __init__(self, session: Session, present: datetime | None = None) -> None:
        self.session = session
        self.is_sqlite = is_sqlite(session)
        self.present = present or now()
        self.others: list[ColumnElement[bool]] = []  # conditions of the query that need no decision
        self.decides_many = False  # too many jobs to decide them at once
        self._decided: list[tuple[ColumnElement[bool], Holding]] = []

    @cached_property
    def tail(self) -> dict[int, str]:
        """Map each of the newest jobs to its text."""
        statement = select(Job.seq, Job.actor, Job.args, Job.kwargs).where(Job.seq > newest(self.session))
        return {seq: text_of(*called) for seq, *called in self.session.execute(statement.order_by(Job.seq.desc()).limit(TAIL))}

    def mentions(self, text: Any, parts: Sequence[str]) -> ColumnElement[bool]:
        """Condition: a text contains one of these; as one list if they are many: SQLite limits the depth of an expression."""
        if len(parts) <= MOST_IN_LINE:
            return or_(*(_position(text, each, self.is_sqlite) > 0 for each in parts))
        if self.is_sqlite:
            listed = func.json_each(literal(json.dumps(parts), Text)).table_valued(column("value", Text))
        else:
            listed = func.unnest(literal(parts, ARRAY(Text))).table_valued(column("value", Text)).render_derived()
        return exists().where(_position(text, listed.c.value, self.is_sqlite) > 0)

    def decide(self, suspects: ColumnElement[bool], are_few: bool, holds: Holding) -> ColumnElement[bool]:
        """Condition: one of these jobs for whose row `holds` is true; `decided` finds them for each searched range."""
        name = f"decided_{len(self._decided)}"
        self.decides_many |= not are_few
        self._decided.append((suspects, holds))
        if self.is_sqlite:
            numbers = func.json_each(bindparam(name, type_=Text)).table_valued(column("value", BigInteger))
            return Job.seq.in_(select(numbers.c.value))
        return Job.seq.in_(select(func.unnest(bindparam(name, type_=ARRAY(BigInteger)))))

    def decided(self, low: int, high: int, *also: ColumnElement[bool]) -> tuple[int, dict[str, Any]]:
        """Decide what needs rows, for jobs that fit all the rest and `also`; return the parameters of statements for this range.

        Its low end comes first: it is raised so far that no more than AT_MOST rows are read.
        """
        values: dict[str, Any] = {}
        for number, (suspects, holds) in enumerate(self._decided):
            rows = select(Job.seq, Job.actor, Job.args, Job.kwargs).where(Job.seq >= low, Job.seq < high, suspects, *self.others, *also)
            read = self.session.execute(rows.order_by(Job.seq.desc()).limit(AT_MOST), between(low, high)).all()
            if len(read) == AT_MOST:
                low = read[-1].seq
            found = [seq for seq, *called in read if holds(*called)]
            values[f"decided_{number}"] = json.dumps(found) if self.is_sqlite else found
        return low, values | between(low, high)


def contains(needle: str, place: Place) -> ColumnElement[bool]:
    """Condition: the text of a job contains this."""
    small = needle.lower()
    found = Job.seq.in_(written(small, place))
    new = [seq for seq, text in place.tail.items() if small in text]
    return or_(found, Job.seq.in_(new)) if new else found


def written(needle: str, place: Place, *also: ColumnElement[bool]) -> Select[tuple[int]]:
    """Return the jobs whose written text contains this, in lower case, and fits `also`."""
    text, key = columns(place.session)
    # Limited to the searched range: a word that is in every text must not be collected a million times.
    return select(key).where(_has(text, needle, is_sqlite=place.is_sqlite), *also, *within(key))


def few(needles: Iterable[str], place: Place) -> list[int] | None:
    """Return the jobs whose written texts contain one of these, in lower case; None: more than AT_MOST, or it may take long to count them.

    SQLite's index may read every text to find a few whose trigrams are frequent.
    """
    if place.is_sqlite:
        return None
    text, key = columns(place.session)
    found: set[int] = set()
    for needle in needles:
        found |= {*place.session.execute(select(key).where(_has(text, needle, is_sqlite=False)).limit(AT_MOST + 1)).scalars()}
        if len(found) > AT_MOST:
            return None
    return list(found)


def known_as_a_whole(place: Place, *also: ColumnElement[bool]) -> ColumnElement[bool]:
    """Condition: the text of a job is written, neither cut nor without its arguments, and fits `also`."""
    text, key = columns(place.session)
    is_whole = and_(func.length(text) < LONGEST, func.substr(text, func.length(text), 1) != "\n", *also)
    # No EXISTS: PostgreSQL, which expects few such texts, would compare all jobs with all texts.
    return func.coalesce(select(is_whole).where(key == Job.seq).scalar_subquery(), False)


def within(seq: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Condition: the seq of a table beside the jobs lies in the searched range."""
    return seq >= bindparam("low", type_=BigInteger), seq < bindparam("high", type_=BigInteger)


def between(low: int = 0, high: int = 2**62) -> dict[str, int]:
    """Return the parameters for a statement with such conditions: the range of jobs to search."""
    return {"low": low, "high": high}


def newest(session: Session) -> int:
    """Return the seq of the newest job whose text is written."""
    key = _of(session)[1]
    return int(session.execute(select(func.max(key))).scalar() or 0)


def write_new(session: Session, *, limit: int = AT_ONCE) -> int:
    """Write the texts of up to `limit` jobs, oldest first; return their number. Repeat until it is lower."""
    texts, key = _of(session)
    last = newest(session)
    # A job whose transaction was long may be committed after newer ones.
    late = select(Job.seq).where(Job.seq > last - LATE, Job.seq < last, Job.seq.not_in(select(key).where(key > last - LATE)))
    seqs = [*session.execute(late.limit(limit)).scalars()]
    columns = select(Job.seq, Job.actor, Job.args, Job.kwargs)
    rows: list[Any] = list(session.execute(columns.where(Job.seq.in_(seqs)))) if seqs else []
    rows += session.execute(columns.where(Job.seq > last).order_by(Job.seq).limit(limit - len(rows)))
    if rows:
        values = [{key.name: seq, "text": text_of(actor, args, kwargs)} for seq, actor, args, kwargs in rows]
        session.execute(insert(texts), values)
    return len(rows)


def rewrite(session: Session, seqs: Collection[int]) -> None:
    """Write the texts of jobs whose arguments have changed; one that has no text yet gets it with the new jobs.

    A process that does not know the actor leaves its job's text: it would write the name alone.
    """
    texts, key = _of(session)
    written = [*session.execute(select(key).where(key.in_(seqs))).scalars()] if seqs else []
    if written:
        columns = select(Job.seq, Job.actor, Job.args, Job.kwargs).where(Job.seq.in_(written))
        values = [
            {key.name: seq, "text": text}
            for seq, *called in session.execute(columns)
            if (text := text_of(*called)) != _unknown(called[0]).lower()
        ]
        forget(session, [each[key.name] for each in values])
        if values:
            session.execute(insert(texts), values)


def forget(session: Session, seqs: Collection[int]) -> None:
    """Delete the texts of these jobs."""
    texts, key = _of(session)
    session.execute(delete(texts).where(key.in_(seqs)))


def columns(session: Session) -> tuple[Any, Any]:
    """Return the column of the texts, and that of their jobs' numbers."""
    texts, key = _of(session)
    return texts.c.text, key


def _of(session: Session) -> tuple[Any, Any]:
    texts = _TEXTS["sqlite" if is_sqlite(session) else "postgresql"]
    return texts, next(iter(texts.c))


def _has(text: Any, needle: str, *, is_sqlite: bool) -> ColumnElement[bool]:
    numbers = [needle[start : start + 3] for start in range(len(needle) - 2) if needle[start : start + 3].isdecimal()] if is_sqlite else []
    if numbers:
        # FTS5 reads each trigram's list to its end: lists of digits are short, those of words may hold every job.
        chosen = " ".join(f'"{number}"' for number in dict.fromkeys(numbers[:MOST_TRIGRAMS]))
        return and_(literal_column("job_texts").op("MATCH")(chosen), _position(text, needle, is_sqlite) > 0)
    if not is_sqlite and (run := _LONG_NUMBER.search(needle)) and run[0] != needle:
        # PostgreSQL reads the lists of all trigrams, too: those of the word beside the number may hold every job.
        return and_(text.like(_seen(f"%{run[0]}%")), _position(text, needle, is_sqlite) > 0)
    special = any(character in needle for character in "%_\\")
    if not special:
        return text.like(_seen(f"%{needle}%"))  # type: ignore[no-any-return]
    # It uses its trigrams only for a LIKE without ESCAPE; the few matches are then checked exactly.
    rough = re.sub(r"[%_\\]", "_", needle)
    return and_(text.like(_seen(f"%{rough}%")), text.like(f"%{escaped(needle)}%", escape="\\"))


def _position(text: Any, needle: Any, is_sqlite: bool) -> Any:
    return func.instr(text, needle) if is_sqlite else func.strpos(text, needle)


def _seen(pattern: str) -> Any:
    """Inline the pattern as a literal: PostgreSQL plans a rare word differently from a frequent one, if it can see it."""
    return bindparam(None, pattern, type_=Text, unique=True, literal_execute=True)
