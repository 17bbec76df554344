"""Searchable text of jobs: actor and arguments without secrets, in a separate table.

Written by the scheduler soon after submission, never on a job's path. SQLite stores them in an FTS5 table of trigrams,
PostgreSQL under a trigram index (pg_trgm, if available). Newer jobs are searched one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, and_, bindparam, column, delete, func, insert, literal_column, or_, select, table
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

#: (actor, args, kwargs) -> the arguments by name, secrets masked; None: the actor is unknown here
Reading = Callable[[str | None, Any, Any], Mapping[str, Any] | None]

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
    return (_unknown(actor) + arguments).lower().replace("\x00", "").encode("utf-8", "ignore").decode()[:LONGEST]


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

    @cached_property
    def tail(self) -> dict[int, str]:
        """Map each of the newest jobs to its text."""
        statement = select(Job.seq, Job.actor, Job.args, Job.kwargs).where(Job.seq > newest(self.session))
        return {seq: text_of(*called) for seq, *called in self.session.execute(statement.order_by(Job.seq.desc()).limit(TAIL))}


def contains(needle: str, place: Place, *, exactly: Sequence[str] = ()) -> ColumnElement[bool]:
    """Condition: the text of a job contains this; `exactly`: and one of these, which the index need not find."""
    texts, key = _of(place.session)
    small, wanted = needle.lower(), [each.lower() for each in exactly]
    # Limited to the searched range: a word that is in every text must not be collected a million times.
    one_of = (or_(*(_position(texts.c.text, each, place.is_sqlite) > 0 for each in wanted)),) if wanted else ()
    written = Job.seq.in_(select(key).where(_has(texts.c.text, small, is_sqlite=place.is_sqlite), *one_of, *within(key)))
    new = [seq for seq, text in place.tail.items() if small in text and (not wanted or any(each in text for each in wanted))]
    return or_(written, Job.seq.in_(new)) if new else written


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


def _position(text: Any, needle: str, is_sqlite: bool) -> Any:
    return func.instr(text, needle) if is_sqlite else func.strpos(text, needle)


def _seen(pattern: str) -> Any:
    """Inline the pattern as a literal: PostgreSQL plans a rare word differently from a frequent one, if it can see it."""
    return bindparam(None, pattern, type_=Text, unique=True, literal_execute=True)
