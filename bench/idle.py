"""`.venv/bin/python -m bench.idle [--seconds 60]`: memory, CPU and wake-ups of one idle `./run up`, by process.

Memory is PSS: shared pages count once in the sum. CPU is a share of one core over the given time, after `--rest` seconds. A wake-up is a voluntary
context switch: a thread that slept and looks. `--threads` lists them by thread. `--worker` measures `./run worker --threads 2` instead, with a RabbitMQ of
its own, which does not count.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path

from bench.baselines import ROOT
from src.broker.isolate.process_tree import descendants
from src.up import packages
from src.up.data import ports
from src.up.data.data_folder import Folder
from src.up.data.process_identity import command_line
from src.up.rabbitmq.node import Node, Ports

#: the command line
VERB = [sys.executable, "-m", "src"]
#: default seconds between the start and the measurement
REST_S = 60


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="duration of the CPU measurement (60)")
    parser.add_argument("--threads", action="store_true", help="list each thread")
    parser.add_argument("--rest", type=int, default=REST_S, help=f"seconds between the start and the measurement ({REST_S})")
    parser.add_argument("--worker", action="store_true", help="measure one worker command instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callboard-idle-") as data, (_worker if arguments.worker else _up)(Path(data)) as root:
        time.sleep(arguments.rest)
        _measure(sorted({root} | descendants([root])), arguments.seconds, arguments.threads)


@contextmanager
def _up(data: Path) -> Iterator[int]:
    """Run `./run up`; yields the supervisor's process id."""
    _call("up", "--detach", "--port", "0", "--data", str(data))
    try:
        supervisor = Folder(data).read_state().supervisor
        assert supervisor is not None
        yield supervisor.pid
    finally:
        _call("down", "--data", str(data))


@contextmanager
def _worker(data: Path) -> Iterator[int]:
    """Run one worker command; yields its process id."""
    launcher = packages.rabbitmq_launcher()
    assert launcher is not None, "RabbitMQ is not installed"
    node = Node(data / "node", launcher=launcher, ports=Ports(**ports.anywhere([field.name for field in fields(Ports)])))
    node.start()
    try:
        node.wait_ready()
        own = {"CALLBOARD_DATA_DIR": str(data), "CALLBOARD_BROKER_URL": node.amqp_url}
        _call("migrate", **own)
        worker = subprocess.Popen([*VERB, "worker", "--threads", "2"], cwd=ROOT, env=_environment(**own), stderr=subprocess.DEVNULL)
        try:
            yield worker.pid
        finally:
            worker.terminate()
            worker.wait()
    finally:
        node.stop()


def _call(verb: str, *arguments: str, **variables: str) -> None:
    subprocess.run([*VERB, verb, *arguments], cwd=ROOT, env=_environment(**variables), check=True)


def _environment(**variables: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.startswith("CALLBOARD_")}, **variables}


@dataclass(frozen=True, slots=True)
class Used:
    """CPU and wake-ups of a thread or process so far."""

    cpu_s: float
    wakes: int

    def __add__(self, other: Used) -> Used:
        return Used(self.cpu_s + other.cpu_s, self.wakes + other.wakes)

    def line(self, before: Used, seconds: int) -> str:
        """Return the share of a core and the wake-ups a second since `before`."""
        return f"{100 * (self.cpu_s - before.cpu_s) / seconds:6.2f} % of a core {(self.wakes - before.wakes) / seconds:6.1f} wake-ups/s"


NOTHING = Used(0.0, 0)


def _measure(pids: list[int], seconds: int, is_by_thread: bool) -> None:
    before = {pid: _threads(pid) for pid in pids}
    time.sleep(seconds)
    total_mb, total, total_before = 0.0, NOTHING, NOTHING
    for pid in pids:
        threads, mb = _threads(pid), pss_mb(pid)
        now, then = sum(threads.values(), NOTHING), sum((before[pid].get(thread, NOTHING) for thread in threads), NOTHING)
        total_mb, total, total_before = total_mb + mb, total + now, total_before + then
        print(f"{pid:8} {mb:7.1f} MB {now.line(then, seconds)}   {command_line(pid)[:70]}")
        if is_by_thread:
            for thread, used in threads.items():
                print(f"{'':20}{used.line(before[pid].get(thread, NOTHING), seconds)}      {thread}")
    print(f"{'all':>8} {total_mb:7.1f} MB {total.line(total_before, seconds)}   load {os.getloadavg()[0]:.1f}")


def _threads(pid: int) -> dict[str, Used]:
    """Return what each thread has used, by its id and name; a wake-up is a voluntary context switch."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # that of a thread which has ended
            name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
            fields = rest.split()
            cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
            found[f"{task.name} {name}"] = Used(cpu_s, int(status["voluntary_ctxt_switches"]))
    return found


def pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
