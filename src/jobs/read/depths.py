"""Depths of queues over time, for charts: the greatest sample of each step. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from ...sql.statements import plain, run
from .spans import minute_of, span_of

_GREATEST = plain("""
    SELECT (minute - :first) / :step, queue, max(queued), max(running), max(oldest_s) FROM queue_depths
    WHERE span = :span AND minute >= :first AND minute < :last GROUP BY 1, 2
""")


@dataclass(slots=True)
class Depth:
    """Greatest depth and age within a step. Of several queues: the sum of the depths, and the greatest age."""

    queued: int = 0
    running: int = 0
    oldest_s: float = 0.0

    def add(self, queued: int, running: int, oldest_s: float) -> None:
        self.queued += queued
        self.running += running
        self.oldest_s = max(self.oldest_s, oldest_s)


def over_time(
    session: Session, since: datetime, until: datetime, step: timedelta, *, queues: Collection[str] | None = None, by_queue: bool = False
) -> dict[str, list[Depth]]:
    """Return the depth of each step, in order, by name of the queue, or "" for all. `queues`: only these; None: all."""
    first, last, length = minute_of(since), minute_of(until), step // timedelta(minutes=1)
    found: dict[str, list[Depth]] = {}
    for at, queue, *values in run(session, _GREATEST, first=first, last=last, step=length, span=span_of(length)):
        if queues is not None and queue not in queues:
            continue
        name = queue if by_queue else ""
        if name not in found:
            found[name] = [Depth() for _ in range((last - first) // length)]
        found[name][at].add(*values)
    return found
