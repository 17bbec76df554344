"""The three measurements, each in an empty place, the same for every contestant."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench import tally
from bench.contestants import Contestant
from bench.processes import Group, cpu_seconds, run
from bench.services import Place, Services

#: seconds between two looks at the counts
LOOK_S = 0.02
#: seconds one drain, one submission or one latency measurement may take
LIMIT_S = 150.0


@dataclass(frozen=True)
class Drain:
    """How fast preloaded jobs were done; CPU in seconds per 1,000 jobs."""

    jobs: int
    seconds: float
    per_second: float
    worker_cpu: float
    broker_cpu: float
    postgresql_cpu: float


def drain(services: Services, contestant: Contestant, jobs: int, environment: Callable[[Place], dict[str, str]] | None = None) -> Drain:
    """Drain in an empty place; `environment` of the processes: the contestant's own, if None."""
    with services.place() as place:
        return drain_at(place, services, contestant, jobs, environment)


def drain_at(
    place: Place, services: Services, contestant: Contestant, jobs: int, environment: Callable[[Place], dict[str, str]] | None = None
) -> Drain:
    """Preload `jobs`, start the workers, and time from the first job's start to the last job's end, its result included."""
    around = (environment or contestant.environment)(place)
    for counted in place.tally.glob("*.tally"):
        counted.unlink()
    run(contestant.command("preload", jobs), env=around, cwd=place.folder, timeout=LIMIT_S)
    with started(contestant, place, around) as worker, _missing(contestant, place, jobs) as missing:
        until = time.monotonic() + LIMIT_S
        while (seen := tally.look(place.tally)).count == 0:
            _check(worker, until)
            time.sleep(LOOK_S)
        # From here on starting up is over, and CPU seconds are those of jobs.
        at_first, cpu_before = seen.count, cpu_of(services, worker)
        while (seen := tally.look(place.tally)).count < jobs:
            _check(worker, until)
            time.sleep(LOOK_S)
        ended = seen.last
        if missing() > 0:
            while missing() > 0:
                _check(worker, until)
                time.sleep(LOOK_S / 4)
            ended = time.monotonic()
        cpu_after = cpu_of(services, worker)
    seconds = ended - seen.first
    cpu = [(after - before) * 1000 / max(1, jobs - at_first) for before, after in zip(cpu_before, cpu_after, strict=True)]
    return Drain(jobs, seconds, jobs / seconds, *cpu)


def submit(services: Services, contestant: Contestant, verb: str, jobs: int) -> float:
    """Submissions per second from one process, no worker running."""
    with services.place() as place:
        return float(submitter(contestant, place, verb, jobs)["per_second"])


def latency(services: Services, contestant: Contestant, verb: str, jobs: int) -> list[float]:
    """Milliseconds of each of `jobs` jobs submitted one by one to idle workers."""
    with services.place() as place, started(contestant, place):
        found: list[float] = submitter(contestant, place, verb, jobs)["ms"]
        return found


def submitter(contestant: Contestant, place: Place, verb: str, jobs: int) -> Any:
    out = run(contestant.command(verb, jobs), env=contestant.environment(place), cwd=place.folder, timeout=LIMIT_S)
    return json.loads(out.strip().splitlines()[-1])


def started(contestant: Contestant, place: Place, environment: dict[str, str] | None = None) -> Group:
    program, *rest = contestant.worker
    command = [str(contestant.programs / program), *rest]
    return Group(command, env=environment or contestant.environment(place), cwd=place.folder, log=place.folder / "worker.log")


@contextmanager
def _missing(contestant: Contestant, place: Place, jobs: int) -> Iterator[Callable[[], int]]:
    """Return the number of results not yet stored; the connection is opened before timing starts."""
    if contestant.unfinished is not None:
        yield from contestant.unfinished(place)
    elif contestant.stored is not None:
        with contextmanager(contestant.stored)(place) as stored:
            yield lambda: jobs - stored()
    else:
        yield lambda: 0


def _check(worker: Group, until: float) -> None:
    worker.check()
    if time.monotonic() > until:
        raise TimeoutError(f"not done within {LIMIT_S:.0f} s")


def cpu_of(services: Services, worker: Group) -> tuple[float, float, float]:
    return cpu_seconds(worker.pid), cpu_seconds(services.broker_pid), cpu_seconds(services.postgres_pid)
