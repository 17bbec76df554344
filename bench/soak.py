"""A long load at a steady rate: do rate, latency, memory, connections or file descriptors have a trend?

    .venv/bin/python -m bench.soak --store sqlite --minutes 60

`./run up` with its usual processes gets single jobs at `--rate`. Every five minutes it prints the figures of each
process with its children. Two promises: each process stays below its bound, and no figure has a slope by least squares,
without the first quarter, in which caches fill. Below half an hour a slope shows nothing: then only the bounds count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from bench.baselines import ROOT
from bench.idle import pss_mb
from bench.memory_bounds import MOST_MB
from bench.sides import measured
from bench.site import Site, open_site, parser, share, tell, until
from bench.trends import Bound, slope_per_hour
from src.broker.isolate.process_tree import descendants
from src.jobs.core.models import Job
from src.jobs.core.states import FINAL
from src.up.data.data_folder import Folder

#: seconds between two samples, and between two printed lines
SAMPLE_S, PRINT_S = 10.0, 300.0
#: share of the run that counts as filling of caches
WARM_UP = 0.25
#: one in so many jobs is delayed by so many seconds: otherwise some relay publishes first late in the run, and opens its connection then
DELAYED_EACH, DELAY_S = 100, 1
#: minutes from which on a slope counts
LONG = 30.0
#: growth in an hour that counts as none, by figure
BOUNDS = {
    "jobs/s": Bound(0.02, 0.0),
    "p50 ms": Bound(0.25, 1.0),
    "MB": Bound(0.05, 5.0),
    "sockets": Bound(0.0, 2.0),
    "files": Bound(0.0, 3.0),
}


@dataclass(frozen=True)
class Figures:
    """One process with its children."""

    mb: float
    sockets: int
    files: int


@dataclass(frozen=True)
class Sample:
    """All figures of one moment."""

    at_s: float
    jobs_per_s: float
    p50_ms: float
    p99_ms: float
    waiting: int
    processes: dict[str, Figures]


class Load:
    """A thread that submits jobs at an even rate."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.submitted = 0
        self.refused = 0

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        begun = time.monotonic()
        while not self._ends.is_set():
            behind_s = time.monotonic() - begun - (self.submitted + self.refused) / self._rate
            if behind_s < 0:
                self._ends.wait(-behind_s)
                continue
            try:
                if self.submitted % DELAYED_EACH:
                    measured.probe.send(time.time())
                else:
                    measured.probe.send_with_options(args=(time.time() + DELAY_S,), delay=DELAY_S * 1000)
                self.submitted += 1
            except Exception:  # noqa: BLE001 - counted, and reported as a broken promise
                self.refused += 1


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=60.0)
    options.add_argument("--rate", type=float, default=100.0, help="jobs per second")
    chosen = options.parse_args()
    with open_site(chosen.store) as site, whole(site) as folder, Load(chosen.rate) as load:
        samples = list(sampled(site, folder, load, chosen.minutes * 60))
    warm = [each for each in samples if each.at_s >= chosen.minutes * 60 * WARM_UP]
    trends = [trend(figure, name, series(warm, figure, name)) for figure, name in figures_of(warm)]
    said, judged = ([], trends) if chosen.minutes >= LONG else ([line for line, _ in trends], [])
    found = f"{load.submitted} jobs submitted in {chosen.minutes:g} min"
    tell("soak", chosen.store, [found, *said], [("every submission is accepted", load.refused == 0), *bounds(samples), *judged])


@contextmanager
def whole(site: Site) -> Iterator[Folder]:
    """A `./run up` on the services of the measurement."""
    verb = [sys.executable, "-m", "src"]
    subprocess.run(
        [*verb, "up", "--detach", "--port", "0"], cwd=ROOT, env={**os.environ, "CALLBOARD_PORT": "0"}, check=True, stdout=sys.stderr
    )
    try:
        yield Folder(site.folder)
    finally:
        subprocess.run([*verb, "down"], cwd=ROOT, check=True, stdout=sys.stderr)


def sampled(site: Site, folder: Folder, load: Load, seconds: float) -> Iterator[Sample]:
    """Sample until the time is over; print a line every five minutes."""
    until(lambda: site.notes.exists(), 60, "the first job has run")
    begun, printed = time.monotonic(), time.monotonic()
    with open(site.notes) as notes:
        notes.seek(0, os.SEEK_END)
        at, recent = begun, []
        while (present := time.monotonic()) - begun < seconds:
            time.sleep(max(0.0, at + SAMPLE_S - present))
            elapsed, at = time.monotonic() - at, time.monotonic()
            late = [float(start) - float(due) for due, start in map(str.split, notes.readlines())]
            recent += late
            sample = Sample(
                at - begun, len(late) / elapsed, share(late, 0.5) * 1000, share(recent, 0.99) * 1000, waiting(site), processes(site, folder)
            )
            yield sample
            if at - printed >= PRINT_S:
                printed, recent = at, []
                show(sample)
        show(sample)


def waiting(site: Site) -> int:
    """Jobs that are not final."""
    with site.database.read() as session:
        return session.execute(select(func.count()).select_from(Job).where(Job.state.not_in(FINAL))).scalar_one()


def processes(site: Site, folder: Folder) -> dict[str, Figures]:
    """Figures of each part of `./run up`, of RabbitMQ and of PostgreSQL."""
    state = folder.read_state()
    assert state.supervisor is not None
    roots = {part.name: part.pid for part in state.alive} | {"broker": site.services.broker_pid}
    found = {"supervisor": figures([state.supervisor.pid])}
    if not site.database.is_sqlite:
        roots["postgresql"] = site.services.postgres_pid
    for name, pid in roots.items():
        found[name] = figures(sorted({pid} | descendants([pid])))
    return found


def figures(pids: list[int]) -> Figures:
    mb, sockets, files = 0.0, 0, 0
    for pid in pids:
        with suppress(OSError):  # it has ended
            mb += pss_mb(pid)
            targets = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
            sockets += sum(target.startswith("socket:") for target in targets)
            files += len(targets)
    return Figures(mb, sockets, files)


def show(sample: Sample) -> None:
    print(
        f"{sample.at_s / 60:5.1f} min {sample.jobs_per_s:6.1f} jobs/s, start p50 {sample.p50_ms:.1f} p99 {sample.p99_ms:.1f} ms,"
        f" {sample.waiting} not final, load {os.getloadavg()[0]:.1f}; MB/sockets/files:",
        *(f"{name} {each.mb:.0f}/{each.sockets}/{each.files}" for name, each in sample.processes.items()),
        flush=True,
    )


def bounds(samples: list[Sample]) -> Iterator[tuple[str, bool]]:
    """Yield the result for the memory of each process."""
    for name in samples[-1].processes:
        most = MOST_MB.get(name.partition("-")[0])
        if most is not None:
            found = max(each.processes[name].mb for each in samples if name in each.processes)
            yield f"{name}: {found:.0f} MB (at most {most})", found <= most


def figures_of(samples: list[Sample]) -> Iterator[tuple[str, str]]:
    """Yield every figure that may have a trend, with its process, or ""."""
    yield "jobs/s", ""
    yield "p50 ms", ""
    for name in samples[-1].processes:
        if name.partition("-")[0] not in MOST_MB:
            continue  # PostgreSQL fills the shared memory that it may have
        for figure in ("MB", "sockets", "files"):
            yield figure, name


def series(samples: list[Sample], figure: str, name: str) -> tuple[list[float], list[float]]:
    """Return the times and values of one figure."""
    if not name:
        values = [each.jobs_per_s if figure == "jobs/s" else each.p50_ms for each in samples]
        return [each.at_s for each in samples], values
    attribute = "mb" if figure == "MB" else figure
    having = [each for each in samples if name in each.processes]
    return [each.at_s for each in having], [float(getattr(each.processes[name], attribute)) for each in having]


def trend(figure: str, name: str, points: tuple[list[float], list[float]]) -> tuple[str, bool]:
    """Return the result for one figure: less work, or more of anything else, counts."""
    slope, allowed = slope_per_hour(*points), BOUNDS[figure].of(points[1])
    worse = -slope if figure == "jobs/s" else slope
    return f"{name or 'all'}: {slope:+.2f} {figure} in an hour (at most {allowed:.2f})", worse <= allowed


if __name__ == "__main__":
    main()
