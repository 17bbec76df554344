"""Concurrency 1 per key while a worker process is killed every five seconds: never two at once, and no key stuck?

    .venv/bin/python -m bench.keys --store postgresql --seconds 60

Actors note the start and the end of each attempt with its process; an attempt without an end ended when its process was killed.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import func, select

from bench.sides import measured
from bench.site import Site, open_site, parser, tell, until
from src.jobs import State
from src.jobs.core.models import Job
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_many
from tests.harness.fleet import Fleet

#: seconds
KILL_EVERY_S, STUCK_S = 5.0, 15.0


@dataclass
class Span:
    """One attempt: who, from when to when."""

    pid: int
    start: float
    end: float | None = None


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--keys", type=int, default=8)
    options.add_argument("--length", type=float, default=0.25, help="seconds of a job")
    options.add_argument("--workers", type=int, default=4)
    chosen = options.parse_args()
    per_key = int(chosen.seconds / chosen.length * 0.5)
    with open_site(chosen.store) as site, site.fleet(chosen.workers) as fleet:
        messages = [measured.keyed.message(f"k{key}", number, chosen.length) for number in range(per_key) for key in range(chosen.keys)]
        with site.database.write() as session:
            submit_many(session, [Submission(message) for message in messages])
        killed = _kill(fleet, site, chosen.seconds)
        until(lambda: _left(site) == 0, 180, "all jobs have ended")
        with site.database.read() as session:
            states = {row[0].value: row[1] for row in session.execute(select(Job.state, func.count()).group_by(Job.state))}
        spans = _spans(site, killed)
    overlaps = sum(_overlaps(each) for each in spans.values())
    gaps = [gap for each in spans.values() for gap in _gaps(each)]
    done = sum(span.end is not None for each in spans.values() for span in each)
    tell(
        "keys",
        chosen.store,
        [
            f"{len(messages)} jobs of {chosen.keys} keys, {len(killed)} kills: {done} attempts, jobs {states}",
            f"two of a key at once: {overlaps}; longest a key waited for its next start: {max(gaps):.1f} s",
        ],
        [
            ("never two of a key at once", overlaps == 0),
            (f"no key stuck for over {STUCK_S:.0f} s", max(gaps) <= STUCK_S),
            ("every job succeeded", states == {State.SUCCEEDED.value: len(messages)}),
        ],
    )


def _kill(fleet: Fleet, site: Site, seconds: float) -> dict[int, float]:
    """kill -9 of a process that runs jobs, again and again; process -> when."""
    killed: dict[int, float] = {}
    chance, begun = random.Random(11), time.monotonic()
    while time.monotonic() < begun + seconds:
        time.sleep(KILL_EVERY_S)
        children = [pid for part in fleet.workers() if (pid := fleet.worker_pid(part)) is not None]
        if children:
            victim = chance.choice(children)
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                killed[victim] = time.time()
    return killed


def _left(site: Site) -> int:
    with site.database.read() as session:
        return session.execute(select(func.count()).select_from(Job).where(Job.state != State.SUCCEEDED)).scalar_one()


def _spans(site: Site, killed: dict[int, float]) -> dict[str, list[Span]]:
    """Each key's attempts by their starts."""
    open_spans: dict[tuple[str, str, int], Span] = {}
    spans: dict[str, list[Span]] = defaultdict(list)
    for what, key, number, pid, instant in site.lines():
        place = (key, number, int(pid))
        if what == "start":
            open_spans[place] = Span(int(pid), float(instant))
            spans[key].append(open_spans[place])
        else:
            open_spans.pop(place).end = float(instant)
    for span in open_spans.values():
        span.end = killed[span.pid]  # a start without an end was killed
    for each in spans.values():
        each.sort(key=lambda span: span.start)
    return spans


def _overlaps(spans: list[Span]) -> int:
    return sum(1 for one, next in pairwise(spans) if one.end is None or next.start < one.end)


def _gaps(spans: list[Span]) -> list[float]:
    return [next.start - (one.end or one.start) for one, next in pairwise(spans)]


if __name__ == "__main__":
    main()
