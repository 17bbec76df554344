"""The watchdog: a worker that hangs is killed, a death is reported at once, and only the jobs it ran are blamed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from src.jobs import Outcome, State
from tests.actors import isolation as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import is_running
from tests.harness.waiting import eventually
from tests.process.isolation.shows import poisoned


def test_an_actor_that_holds_the_interpreter_costs_its_worker_and_the_reason_is_said(callboard: Callboard) -> None:
    worker = callboard.worker(threads=2, watchdog_after=3, lease_duration=20)
    (id,) = callboard.send(actors.hold_the_interpreter.message())
    eventually(lambda: callboard.lines("held") == ["1"], deadline_s=20)
    held_since, hung = time.monotonic(), worker.pid

    eventually(lambda: not is_running(hung), deadline_s=15, what="the watchdog kills the worker")

    assert time.monotonic() - held_since < 12
    worker.process.wait(30)
    worker.start_again()
    job = callboard.ended(id)
    assert (job.state, job.crashes, len(job.attempts)) == (State.SUCCEEDED, 1, 2)
    assert job.attempts[0].outcome is Outcome.LOST
    assert "was killed by signal 9 of its watchdog: an actor held the interpreter for" in str(job.attempts[0].error)
    said = callboard.worker_logs()
    assert "worker_hangs" in said
    assert "in hold_the_interpreter" in said  # where its threads were


def test_a_job_that_kills_its_worker_three_times_is_dead_with_the_signal_and_the_others_go_on(callboard: Callboard) -> None:
    # A long lease: on a busy machine the death report, a Python process that is yet to start, may come later than six seconds.
    found = poisoned(callboard, others=10, lease_duration=30)
    print(*found.lines(), sep="\n")

    assert found.reason.endswith("was killed by signal 9 (3/3)"), found.reason
    assert found.attempts == 3
    assert callboard.lines("poisoned") == ["1", "2", "3"]
    assert (found.others, found.doubled) == ({"succeeded": 10}, 0)


def test_a_dead_workers_jobs_are_given_away_before_its_lease_ends_and_only_what_ran_is_blamed(callboard: Callboard) -> None:
    worker = callboard.worker(threads=1, lease_duration=60, queues=["threads"])
    first = callboard.send(actors.wait_for_a_while.message(3))[0]
    eventually(lambda: callboard.lines("started"), deadline_s=20)

    os.kill(worker.pid, signal.SIGKILL)
    killed = time.monotonic()

    eventually(lambda: callboard.job(first).state is State.QUEUED, deadline_s=30, what="the watchdog's death report")
    assert time.monotonic() - killed < 25
    job = callboard.job(first)
    assert (job.crashes, job.attempt) == (1, 1)
    assert str(job.attempts[0].error).endswith("was killed by signal 9 (1/3)")


def test_a_stopped_worker_is_left_alone_and_a_drained_one_leaves_no_watchdog(callboard: Callboard) -> None:
    worker = callboard.worker(watchdog_after=4, lease_duration=60)
    pid = worker.pid
    watchdogs = eventually(lambda: _watchdogs(pid), what="its watchdog runs")
    assert len(watchdogs) == 1

    os.kill(pid, signal.SIGSTOP)  # like a debugger or an operator
    time.sleep(6)  # there is nothing to wait for: it must go on doing nothing
    assert is_running(pid)
    os.kill(pid, signal.SIGCONT)

    assert worker.stop() < 10
    eventually(lambda: not is_running(watchdogs[0]), what="the watchdog ends with its worker")
    assert "worker_died" not in callboard.worker_logs()


def test_a_watchdog_that_stands_still_is_replaced(callboard: Callboard) -> None:
    worker = callboard.worker(watchdog_after=4)
    pid = worker.pid
    [first] = eventually(lambda: _watchdogs(pid), what="its watchdog runs")

    os.kill(first, signal.SIGSTOP)

    [second] = eventually(lambda: [one for one in _watchdogs(pid) if one != first], deadline_s=60, what="another one")
    assert not is_running(first)
    worker.wait_until_it_says('"watchdog_gone"')
    os.kill(second, signal.SIGKILL)
    eventually(lambda: [one for one in _watchdogs(pid) if one not in (first, second)], deadline_s=60, what="a third")
    assert is_running(pid)


def _watchdogs(pid: int) -> list[int]:
    return [child for child in _children(pid) if b"watchdog.py" in _command(child)]


def _children(pid: int) -> list[int]:
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with suppress(FileNotFoundError), open(f"/proc/{pid}/task/{thread}/children") as file:  # it has just ended
            found += [int(child) for child in file.read().split()]
    return found


def _command(pid: int) -> bytes:
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
    return b""
