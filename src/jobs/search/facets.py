"""Search facets: the most frequent actors, queues, sources and errors among a query's newest jobs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..core.models import Job
from ..core.states import Source
from .extent import FIRST, Extent
from .query import Query
from .texts import Place

#: jobs sampled
SAMPLE = 1_000
#: time budget in seconds
BUDGET_S = 0.01
_KIND = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")
#: values shown per field
SHOWN = 8


@dataclass(frozen=True, slots=True)
class Facets:
    """Field -> its most frequent values and how many of the `looked_at` newest jobs have each."""

    fields: dict[str, list[tuple[str, int]]]
    looked_at: int


#: a program may submit with a word of its own, which no query finds
_SOURCES = frozenset(Source)


def facets(session: Session, query: Query, *, budget_s: float = BUDGET_S) -> Facets:
    """Return the facets of the newest jobs that match a query."""
    place = Place(session)
    conditions, extent = query.conditions(place), Extent.of(place, query).again(FIRST)
    rows: list[Any] = []
    for low, high, values in extent.stretches(budget_s):
        statement = select(Job.actor, Job.queue, Job.source, Job.error).where(Job.seq >= low, Job.seq < high, *conditions)
        found = session.execute(statement.order_by(Job.seq.desc()).limit(SAMPLE - len(rows)), values)
        rows += found
        if len(rows) >= SAMPLE:
            break
    return _of(rows)


def facets_of(jobs: Iterable[Job]) -> Facets:
    """Return the facets of these jobs."""
    return _of([(job.actor, job.queue, job.source, job.error) for job in jobs])


def _of(rows: Sequence[Any]) -> Facets:
    actors, queues, sources, errors = zip(*rows, strict=True) if rows else ((), (), (), ())
    kinds = [kind[0] for error in errors if error and (kind := _KIND.match(error))]
    counters = {
        "actor": Counter(actors),
        "queue": Counter(queues),
        "source": Counter(each for each in sources if each in _SOURCES),
        "error": Counter(kinds),
    }
    for counter in counters.values():
        counter.pop(None, None)
    return Facets({name: counter.most_common(SHOWN) for name, counter in counters.items() if counter}, len(rows))
