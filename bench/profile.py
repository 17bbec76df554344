"""`.venv/bin/python -m bench.profile`: where the time of a job goes while workers drain: Python by function, broker, SQL.

py-spy samples the worker processes from outside; only samples that hold the interpreter lock count as Python, so the
table adds up to the CPU that limits throughput. A function's own time and its time with everything it calls are both
shown.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from bench import baselines, measures, tally
from bench.contestants import CONTESTANTS, Contestant
from bench.processes import Group
from bench.services import Place, Services

#: samples per second and process
RATE = 500


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--row", default=CONTESTANTS[0].name, help="the contestant, by its name in the table")
    parser.add_argument("--top", type=int, default=45, help="lines of each list")
    parser.add_argument("--waiting", action="store_true", help="count every running sample, not only those holding the interpreter lock")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: exit(143))
    baselines.provide()
    contestant = next(one for one in CONTESTANTS if one.name == options.row)
    with Services() as services, services.place() as place:
        measures.submitter(contestant, place, "preload", options.jobs)
        with measures.started(contestant, place) as worker:
            while tally.look(place.tally).count == 0:
                worker.check()
                time.sleep(measures.LOOK_S)
            begun, cpu_before, jobs_before = time.monotonic(), measures.cpu_of(services, worker), tally.look(place.tally).count
            samples = _sample(contestant, worker, place, options)
            seconds = max(tally.look(place.tally).last - begun, 0.001)
            jobs = tally.look(place.tally).count - jobs_before
            cpu = [after - before for before, after in zip(cpu_before, measures.cpu_of(services, worker), strict=True)]
    print(f"{contestant.name}: {jobs:,} jobs in {seconds:.2f} s while sampled: {jobs / seconds:,.0f}/s")
    for name, spent in zip(("workers", "broker", "PostgreSQL"), cpu, strict=True):
        print(f"  {name:<12}{spent / jobs * 1e6:8.1f} µs of CPU per job")
    _print(samples, cpu[0] / jobs * 1e6, options.top)


def _sample(contestant: Contestant, worker: Group, place: Place, options: argparse.Namespace) -> Counter[tuple[str, ...]]:
    """Sample every process that runs jobs until all of them are done."""
    spies = []
    for path in place.tally.glob("*.tally"):
        target = path.with_suffix(".raw")
        command = [
            str(baselines.VENV / "bin" / "py-spy"),
            "record",
            "--pid",
            path.stem,
            "--rate",
            str(RATE),
            "--duration",
            "60",
            "--nonblocking",
        ]
        command += ["--threads", "--format", "raw", "--output", str(target), *([] if options.waiting else ["--gil"])]
        spies.append((subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True), target))
    until = time.monotonic() + 60
    while tally.look(place.tally).count < options.jobs and time.monotonic() < until:
        worker.check()
        time.sleep(measures.LOOK_S)
    found: Counter[tuple[str, ...]] = Counter()
    for spy, target in spies:
        spy.send_signal(signal.SIGINT)
        spy.wait(20)
        for line in target.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            found[tuple(_short(frame) for frame in stack.split(";"))] += int(count)
    return found


def _short(frame: str) -> str:
    """`function (path/file.py:12)` as `file.function`; a thread without its number."""
    found = re.fullmatch(r"(.+) \((.+?)(?::\d+)?\)", frame)
    if not found:
        return re.sub(r"thread \(\S+\)(: )?", "thread ", re.sub(r"0x[0-9A-Fa-f]+|\d+", "", frame)).strip() or frame
    path = Path(found[2])
    return f"{path.parent.name}/{path.stem}.{found[1]}"


def _print(samples: Counter[tuple[str, ...]], worker_us: float, top: int) -> None:
    total = sum(samples.values())
    by_thread: Counter[str] = Counter()
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for stack, count in samples.items():
        by_thread[stack[0]] += count
        own[stack[-1]] += count
        for frame in set(stack[1:]):
            whole[frame] += count
    print(f"\n{total:,} samples; µs per job are shares of the workers' CPU")
    for title, counted in (("by thread", by_thread), ("own time", own), ("with all it calls", whole)):
        print(f"\n{title}")
        for frame, count in counted.most_common(top):
            print(f"  {count / total:6.1%} {count / total * worker_us:7.1f} µs  {frame}")


if __name__ == "__main__":
    main()
