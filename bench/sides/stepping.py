"""Callboard's submitter, one step at a time: reads verbs from stdin, and writes milliseconds (or calls per second) for each."""

from __future__ import annotations

import sys

import src.actors  # noqa: F401 (makes the broker, then finds the actor)
from bench import timing
from bench.sides.ours_actor import noop

#: submissions of one measurement of their rate
SUBMITS = 100

if __name__ == "__main__":
    timing.WARM_UP = 0
    for line in sys.stdin:
        verb = line.strip()
        if verb == "submit":
            print(timing.rate(SUBMITS, noop.send)["per_second"], flush=True)
        elif verb == "starts":
            print(timing.starts(1, noop.send)["ms"][0], flush=True)  # type: ignore[index]
        else:
            print(timing.results(1, lambda: noop.send().get_result(block=True, timeout=10_000))["ms"][0], flush=True)  # type: ignore[index]
