"""Search pages and counts within a time budget, however many jobs there are.

Jobs are searched from the newest back, in ranges of job numbers that grow while that is fast. A filter with an index
finishes at once. One without stops when its budget is spent: the page then shows how far it has searched, and continues
from there. So no page is slow, and no index is needed for a query made once a year.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..core.models import Job
from ..core.states import State
from ..read import queries
from ..read.queries import NOT_SUCCEEDED
from .extent import FIRST, Extent, newest
from .query import Query
from .texts import Place

#: time budget in seconds for a page of jobs; and for it with its counts and facets: a page of the console then takes less than a tenth of a second
FIND_S, PAGE_S = 0.04, 0.05
#: time budget in seconds for all its counts; and for counts or facets of a page that has spent its own
TALLY_S, LEAST_S = 0.015, 0.002
#: jobs counted exactly; more are shown as "10,000+"
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Found:
    """Matching jobs, newest first. `next`: pass it as `after` for the following page; None: this is the last.

    `searched_to`: the budget was spent before the page was full; jobs below this number have not been searched.
    """

    jobs: list[Job]
    next: int | None
    searched_to: int | None = None


@dataclass(slots=True)
class Tally:
    """Number of jobs that match a query, by state; `is_whole`: the counts are complete, else there are more."""

    states: dict[State, int] = field(default_factory=dict)
    whole: set[State] = field(default_factory=set)

    def total(self, states: list[State] | None = None) -> int:
        """Return the sum over these states."""
        return sum(self.states.get(state, 0) for state in states or State)

    def is_whole(self, states: list[State] | None = None) -> bool:
        """True if the counts of these states are complete."""
        return set(states or State) <= self.whole


def find(session: Session, query: Query, *, after: int | None = None, limit: int = 50, budget_s: float = FIND_S) -> Found:
    """Return a page of the jobs that match a query, older than `after`."""
    place = Place(session)
    conditions, extent = query.conditions(place), Extent.of(place, query, after)
    jobs: list[Job] = []
    for low, high, values in extent.stretches(budget_s):
        statement = select(Job).where(Job.seq >= low, Job.seq < high, *conditions).order_by(Job.seq.desc()).limit(limit + 1 - len(jobs))
        jobs += session.execute(statement, values).scalars()
        if len(jobs) > limit:
            return Found(jobs[:limit], jobs[limit - 1].seq)
    return Found(jobs, None) if extent.is_through else Found(jobs, extent.reached, extent.reached)


def left_s(begun: float, budget_s: float) -> float:
    """Return a budget, or what a page that began then has left of its own."""
    return max(LEAST_S, min(budget_s, PAGE_S - (time.monotonic() - begun)))


def tally(session: Session, query: Query, *, budget_s: float = TALLY_S) -> Tally:
    """Count the jobs that match a query without its state terms, by state."""
    place = Place(session)
    conditions, extent = query.conditions(place, without="state"), Extent.of(place, query)
    if not conditions:
        found, budget_s = tally_of_states(session), budget_s / 2
    else:
        found = Tally(dict.fromkeys(State, 0))
        # Jobs that have not succeeded are few, and their index is ordered by state.
        others = [state for state in State if state is not State.SUCCEEDED]
        _tally_some(session, found, others, conditions, extent.again(FIRST if query.reads_texts else 10 * FIRST), budget_s * 0.6)
        budget_s *= 0.4
    _tally_some(session, found, [State.SUCCEEDED], conditions, extent.again(FIRST), budget_s)
    return found


def tally_of(found: Found) -> Tally:
    """Return the counts of a first page that is also the last, or whose search spent the budget."""
    is_whole = found.next is None
    counted = Counter(job.state for job in found.jobs)
    return Tally({state: counted[state] for state in State}, set(State) if is_whole else set())


def count(session: Session, query: Query, *, up_to: int | None = None, present: datetime | None = None) -> dict[State, int]:
    """Count the jobs that match a query exactly, by state, without a budget; `up_to`: highest job number included."""
    place, counted = Place(session, present), Counter[State]()
    statement = select(Job.state, func.count()).where(*query.conditions(place)).group_by(Job.state)
    for low, high, values in Extent.below(place, 1 + (newest(session) if up_to is None else up_to)).to_the_end():
        for state, number in session.execute(statement.where(Job.seq >= low, Job.seq < high), values):
            counted[State(state)] += number
    return dict(counted)


def tally_of_states(session: Session, states: Collection[State] = queries.BUT_SUCCEEDED) -> Tally:
    """Count all jobs of each of these states, not succeeded, from the index by state, up to MOST."""
    numbers = queries.counts_up_to(session, MOST, states)
    whole = {state for state, number in numbers.items() if number <= MOST}
    return Tally({state: min(numbers.get(state, 0), MOST) for state in State}, whole)


def _tally_some(session: Session, found: Tally, group: Sequence[State], conditions: list[Any], extent: Extent, budget_s: float) -> None:
    is_one: list[Any] = [Job.state.in_(group), *([] if State.SUCCEEDED in group else [NOT_SUCCEEDED])]
    for low, high, values in extent.stretches(budget_s, *is_one):
        inner = select(Job.state).where(Job.seq >= low, Job.seq < high, *is_one, *conditions).limit(MOST + 1).subquery()
        counted = select(inner.c.state, func.count()).group_by(inner.c.state)
        for state, number in session.execute(counted, values):
            found.states[State(state)] += number
        if sum(found.states[state] for state in group) > MOST:
            for state in group:
                found.states[state] = min(found.states[state], MOST)
            return
    if extent.is_through:
        found.whole.update(group)
