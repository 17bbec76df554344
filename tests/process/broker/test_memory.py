"""Memory of a worker: flat over thousands of jobs. bench.soak looks at every process for an hour."""

from __future__ import annotations

from pathlib import Path

from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S, Worker
from tests.harness.waiting import eventually

#: jobs of one round
JOBS = 3_000
#: rounds until every cache is full, at most; a leak shows in each
ROUNDS = 5
#: bytes of each of these jobs that may stay behind: a leak of one small object for each shows
LEFT_BEHIND = 500


def test_a_worker_keeps_nothing_of_its_jobs(callboard: Callboard, worker: Worker) -> None:
    run(callboard, JOBS)
    left = [float("inf")]
    while left[-1] >= LEFT_BEHIND and len(left) <= ROUNDS:
        before = resident(worker.pid)
        run(callboard, JOBS)
        left.append((resident(worker.pid) - before) / JOBS)
    assert left[-1] < LEFT_BEHIND, left


def run(callboard: Callboard, jobs: int) -> None:
    ids = callboard.send(*[actors.echo.message(number) for number in range(jobs)])
    eventually(lambda: callboard.job(ids[-1]).state.is_final and callboard.job(ids[0]).state.is_final, deadline_s=DEADLINE_S)
    eventually(lambda: callboard.messages("default") == 0, deadline_s=DEADLINE_S)


def resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_Dirty:"))
