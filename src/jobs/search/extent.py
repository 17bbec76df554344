"""Search extent: ranges of job numbers, from the newest back, within a time budget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ..core.models import Job
from .query import Query
from .texts import Place, between

#: job numbers in the first range
FIRST = 4_000
#: growth factor limit from one range to the next
GROWTH = 8
#: seconds after which a search to the end begins with short ranges again
TURN_S = 1.0


def newest(session: Session) -> int:
    """Return the newest job's number."""
    return int(session.execute(select(func.max(Job.seq))).scalar() or 0)


@dataclass(slots=True)
class Extent:
    """The job numbers to search, from `reached` down to `bottom`; `place`: of a query whose terms may need rows to be decided."""

    bottom: int
    top: int
    first: int = FIRST
    reached: int = 0
    place: Place | None = None

    @classmethod
    def of(cls, place: Place, query: Query, after: int | None = None) -> Extent:
        end = newest(place.session) + 1
        top = min(each for each in (end, after, query.highest(place)) if each is not None)
        # PostgreSQL's statistics show whether a word is rare; it then queries the word index over all jobs at once.
        is_at_once = query.reads_only_texts and not place.decides_many and not place.is_sqlite
        return cls(max(query.lowest(place), 1), top, end if is_at_once else FIRST, top, place)

    @classmethod
    def below(cls, place: Place, top: int) -> Extent:
        """Return the extent of all jobs below a number: in one range, unless many rows must be read to decide."""
        return cls(1, top, FIRST if place.decides_many else top, top, place)

    def again(self, first: int) -> Extent:
        """Return the same extent from the top, beginning with a range of this length."""
        return Extent(self.bottom, self.top, first, self.top, self.place)

    @property
    def is_through(self) -> bool:
        """True if everything has been searched."""
        return self.reached <= self.bottom

    def to_the_end(self, *also: ColumnElement[bool]) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Yield range after range until everything has been searched."""
        while not self.is_through:
            yield from self.stretches(TURN_S, *also)

    def stretches(self, budget_s: float, *also: ColumnElement[bool]) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Yield range after range within the budget, at least one: an empty page would help no user.

        Each has the parameters for a statement with the query's conditions and, if its rows are to fit them, `also`.
        """
        begun, length = time.monotonic(), self.first
        while not self.is_through:
            low, looked_at = max(self.bottom, self.reached - length), time.monotonic()
            low, values = self.place.decided(low, self.reached, *also) if self.place else (low, between(low, self.reached))
            length = self.reached - low
            yield low, self.reached, values
            self.reached = low
            took, left = max(time.monotonic() - looked_at, 0.0005), budget_s - (time.monotonic() - begun)
            if left <= 0:
                return
            # Half of what the speed so far suggests: older jobs are less likely to be cached.
            length = int(min(length * GROWTH, max(FIRST, length * left / took / 2)))
