"""The producer of a side: submits numbered jobs at a steady rate, again and again until each is accepted."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

#: JSON of a `Load`
VARIABLE = "BENCH_LOAD"
#: seconds between two tries of a refused submission
AGAIN_S = 0.1
#: jobs that one bulk submission holds at most
TOGETHER = 500


@dataclass(frozen=True)
class Load:
    """Begin and rate of the submissions, and a burst on top of them: how many jobs, and how many seconds after the begin."""

    file: str  # gets a line for each accepted job
    begin: float  # by time.time()
    rate: float
    seconds: float
    burst: int = 0
    burst_after: float = 0.0
    first: int = 0  # number of the first job

    def text(self) -> str:
        return json.dumps(asdict(self))


def produce(send: Callable[[int], object], bulk: Callable[[Sequence[int]], object] | None = None) -> None:
    """Submit what the environment says, from one thread."""
    load = Load(**json.loads(os.environ[VARIABLE]))
    bursting = load.burst > 0
    with open(load.file, "a", buffering=1) as file:

        def accept(numbers: Sequence[int], act: Callable[[], object]) -> None:
            tries = 0
            while True:
                asked, tries = time.time(), tries + 1
                try:
                    act()
                    break
                except Exception as error:  # noqa: BLE001 - as an application's own retry: the service is away
                    print(f"{type(error).__name__}: {error}"[:200], file=sys.stderr)
                    time.sleep(AGAIN_S)
            accepted = time.time()
            file.writelines(f"{number} {asked:.6f} {accepted:.6f} {tries}\n" for number in numbers)

        for number in range(int(load.rate * load.seconds)):
            due = load.begin + number / load.rate
            if bursting and due >= load.begin + load.burst_after:
                bursting = False
                _burst(load, accept, send, bulk)
            time.sleep(max(0.0, due - time.time()))
            accept([load.first + number], lambda number=number: send(load.first + number))  # type: ignore[misc]


def _burst(
    load: Load,
    accept: Callable[[Sequence[int], Callable[[], object]], None],
    send: Callable[[int], object],
    bulk: Callable[[Sequence[int]], object] | None,
) -> None:
    first = int(load.rate * load.seconds)
    numbers = range(first, first + load.burst)
    size = TOGETHER if bulk else 1
    for begin in range(0, load.burst, size):
        part = numbers[begin : begin + size]
        accept(part, lambda part=part: bulk(part) if bulk else send(part[0]))  # type: ignore[misc]
