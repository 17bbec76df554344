"""Spans of statistics, in minutes counted from 1970, and what is counted of them already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from ...sql.columns import from_microseconds, to_microseconds
from ...sql.statements import plain, run
from .models import JobStatistics, JobTotals

MINUTE_US = 60_000_000
#: lengths of the counted spans, in minutes
SPANS = (1, 10, 60, 1_440)
#: one lookup in an index for each: the newest minutes of both tables, and the oldest ones of the totals
_ENDS = plain("SELECT " + ", ".join(
    f"(SELECT {which}(minute) FROM {table.__tablename__} WHERE span = {span})"
    for table, which, spans in ((JobStatistics, "max", SPANS[:3]), (JobTotals, "max", SPANS[:3]), (JobTotals, "min", SPANS)) for span in spans
))  # fmt: skip


def minute_of(instant: datetime) -> int:
    """Return the minute of an instant, counted from 1970."""
    return to_microseconds(instant) // MINUTE_US


def instant_of(minute: int) -> datetime:
    """Return the begin of a minute."""
    return from_microseconds(minute * MINUTE_US)


def span_of(step: int) -> int:
    """Return the longest counted span of which a step, in minutes, is a multiple."""
    return next(span for span in reversed(SPANS) if step % span == 0)


def divided(begin: int, end: int, longest: int = SPANS[-1]) -> Iterator[tuple[int, int, int]]:
    """Divide a period into the longest spans, up to this one, and shorter ones before and after: each with its begin and end."""
    low, high = -(-begin // longest) * longest, end // longest * longest
    if longest == SPANS[0] or low < high:
        yield longest, low, high
    else:
        low = high = end
    if longest != SPANS[0]:
        shorter = SPANS[SPANS.index(longest) - 1]
        if begin < low:
            yield from divided(begin, low, shorter)
        if high < end:
            yield from divided(high, end, shorter)


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest minute of each of the three shorter spans in a table."""

    minutes: tuple[int | None, ...]

    @property
    def counted_to(self) -> int:
        """The first minute that is not counted yet."""
        # Minutes are kept for days, longer spans for long: after days without a job one span is counted again.
        return max(
            0 if minute is None else minute + 1 if span == 1 else minute for span, minute in zip(SPANS[:3], self.minutes, strict=True)
        )

    def whole(self, counted: int, longest: int) -> int:
        """Return the end of the span that the last counted minute is in: its row sums what is counted of it.

        Without rows of minutes a row may also sum what is not counted: then it is left out.
        """
        newest = self.minutes[0]
        return -(-counted // longest) * longest if newest is not None and newest + 1 == counted else counted


@dataclass(frozen=True, slots=True)
class Ends:
    """The ends of what is counted."""

    statistics: Newest
    totals: Newest
    oldest_totals: dict[int, int | None]  # by span

    @classmethod
    def read(cls, session: Session) -> Ends:
        found = run(session, _ENDS)[0]
        return cls(Newest(tuple(found[:3])), Newest(tuple(found[3:6])), dict(zip(SPANS, found[6:], strict=True)))


def counted_to(session: Session) -> int:
    """Return the first minute that is not counted yet."""
    return Ends.read(session).statistics.counted_to
