"""Search facets: the most frequent actors, queues, sources and errors among a query's newest jobs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..core.models import Job
from . import texts
from .extent import FIRST, Extent
from .query import Query
from .texts import Place

#: jobs sampled
SAMPLE = 2_000
#: time budget in seconds
BUDGET_S = 0.01
#: values shown per field
SHOWN = 8


@dataclass(frozen=True, slots=True)
class Facets:
    """Field -> its most frequent values and how many of the `looked_at` newest jobs have each."""

    fields: dict[str, list[tuple[str, int]]]
    looked_at: int


def facets(session: Session, query: Query, *, budget_s: float = BUDGET_S) -> Facets:
    """Return the facets of the newest jobs that match a query."""
    place = Place(session)
    conditions, extent = query.conditions(place), Extent.of(place, query).again(FIRST)
    rows: list[tuple[str | None, str, str, str | None]] = []
    for low, high in extent.stretches(budget_s):
        statement = select(Job.actor, Job.queue, Job.source, Job.error).where(Job.seq >= low, Job.seq < high, *conditions)
        found = session.execute(statement.order_by(Job.seq.desc()).limit(SAMPLE - len(rows)), texts.between(low, high))
        rows += [(actor, queue, source, error) for actor, queue, source, error in found]
        if len(rows) >= SAMPLE:
            break
    return _of(rows)


def facets_of(jobs: Iterable[Job]) -> Facets:
    """Return the facets of these jobs."""
    return _of([(job.actor, job.queue, job.source, job.error) for job in jobs])


def _of(rows: Sequence[tuple[str | None, str, str, str | None]]) -> Facets:
    counters = {"actor": Counter[str](), "queue": Counter[str](), "source": Counter[str](), "error": Counter[str]()}
    for actor, queue, source, error in rows:
        kind = re.match(r"[A-Za-z_][\w.]*(?=:|$)", error or "")
        for name, value in (("actor", actor), ("queue", queue), ("source", source), ("error", kind[0] if kind else None)):
            if value:
                counters[name][value] += 1
    return Facets({name: counter.most_common(SHOWN) for name, counter in counters.items() if counter}, len(rows))
