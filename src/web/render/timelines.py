"""Timeline of a job: waiting time, attempts and pauses between them, as geometry for an SVG."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ...jobs import State
from ...operations.jobs.rows import Job
from ...sql.clock import now

WIDTH = 720
#: minimum visible width
LEAST = 2.0


@dataclass(frozen=True, slots=True)
class Piece:
    """One period of the timeline with its position."""

    kind: str  # wait, or the outcome of an attempt, or running
    label: str
    begin: datetime
    end: datetime
    x: float
    width: float
    lane: int


def pieces(job: Job) -> list[Piece]:
    """The periods of a job in order; empty before its first attempt."""
    runs = [(attempt.number, attempt.outcome.value, attempt.started_at, attempt.finished_at) for attempt in job.attempts]
    if job.state is State.RUNNING and job.started_at is not None:
        runs.append((job.attempt, State.RUNNING.value, job.started_at, now()))
    if not runs:
        return []
    begin, end = job.created_at, max(finished for *_, finished in runs)
    whole = max((end - begin).total_seconds(), 0.001)
    found: list[Piece] = []

    def add(kind: str, label: str, start: datetime, stop: datetime, lane: int) -> None:
        x = max(0.0, (start - begin).total_seconds() / whole * WIDTH)
        width = max(LEAST, (stop - start).total_seconds() / whole * WIDTH)
        found.append(Piece(kind, label, start, stop, round(min(x, WIDTH - LEAST), 1), round(min(width, WIDTH - x + LEAST), 1), lane))

    since = begin
    for lane, (number, outcome, started, finished) in enumerate(runs):
        if started > since:
            add("wait", "waiting" if lane == 0 else "back-off", since, started, lane)
        add(outcome, f"attempt {number}: {outcome}", started, finished, lane)
        since = finished
    return found
