"""Search extent: ranges of job numbers, from the newest back, within a time budget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select

from ..core.models import Job
from .query import Query
from .texts import Place

#: job numbers in the first range
FIRST = 4_000
#: growth factor limit from one range to the next
GROWTH = 8


@dataclass(slots=True)
class Extent:
    """The job numbers to search, from `reached` down to `bottom`."""

    bottom: int
    top: int
    first: int = FIRST
    reached: int = 0

    @classmethod
    def of(cls, place: Place, query: Query, after: int | None = None) -> Extent:
        newest = int(place.session.execute(select(func.max(Job.seq))).scalar() or 0) + 1
        top = min(each for each in (newest, after, query.highest(place)) if each is not None)
        # PostgreSQL's statistics show whether a word is rare; it then queries the word index over all jobs at once.
        return cls(max(query.lowest(place), 1), top, newest if query.reads_only_texts and not place.is_sqlite else FIRST, top)

    def again(self, first: int) -> Extent:
        """Return the same extent from the top, beginning with a range of this length."""
        return Extent(self.bottom, self.top, first, self.top)

    @property
    def is_through(self) -> bool:
        """True if everything has been searched."""
        return self.reached <= self.bottom

    def stretches(self, budget_s: float) -> Iterator[tuple[int, int]]:
        """Yield range after range within the budget, at least one: an empty page would help no user."""
        begun, length = time.monotonic(), self.first
        while not self.is_through:
            low, looked_at = max(self.bottom, self.reached - length), time.monotonic()
            length = self.reached - low
            yield low, self.reached
            self.reached = low
            took, left = max(time.monotonic() - looked_at, 0.0005), budget_s - (time.monotonic() - begun)
            if left <= 0:
                return
            # Half of what the speed so far suggests: older jobs are less likely to be cached.
            length = int(min(length * GROWTH, max(FIRST, length * left / took / 2)))
