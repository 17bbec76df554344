"""The loops that every contestant's submitter runs, and the command line around them: one JSON line on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from bench import tally

#: seconds between two jobs of an idle-latency measurement
BREATH_S = 0.02
#: jobs run before latencies count: connections are opened, code is warm
WARM_UP = 20
#: a queue without a worker
BACKLOG = "backlog"
#: seconds one job of a latency measurement may take
PATIENCE_S = 10.0

Answer = dict[str, float | list[float]]


def rate(jobs: int, send: Callable[[], object]) -> Answer:
    """Call `send` in a loop; calls per second."""
    send()
    begun = time.monotonic()
    for _ in range(jobs):
        send()
    return {"per_second": jobs / (time.monotonic() - begun)}


def starts(jobs: int, send: Callable[[], object]) -> Answer:
    """Milliseconds from the call that submits to the first line of the job, one job at a time on idle workers."""
    taken = []
    for number in range(WARM_UP + jobs):
        before = tally.look().count
        begun = time.monotonic()
        send()
        while (seen := tally.look()).count == before:
            if time.monotonic() - begun > PATIENCE_S:
                raise TimeoutError("a job did not start")
            time.sleep(0.005)  # reads nothing while the job is on its way; the instant is the job's own
        if number >= WARM_UP:
            taken.append((seen.last - begun) * 1000)
        time.sleep(BREATH_S)
    return {"ms": taken}


def results(jobs: int, send_and_read: Callable[[], object]) -> Answer:
    """Milliseconds from the call that submits until its result is in the submitter's hands."""
    taken = []
    for number in range(WARM_UP + jobs):
        begun = time.monotonic()
        send_and_read()
        if number >= WARM_UP:
            taken.append((time.monotonic() - begun) * 1000)
        time.sleep(BREATH_S)
    return {"ms": taken}


def main(verbs: dict[str, Callable[[int], Answer | None]]) -> None:
    """Run `VERB JOBS` of the command line."""
    verb, jobs = sys.argv[1], int(sys.argv[2])
    answer = verbs[verb](jobs)
    print(json.dumps(answer or {}))
