"""Recycling: a worker process that has run enough jobs or has grown too large is replaced without a moment of less capacity."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from src.jobs import State
from src.jobs.core.models import Worker
from src.jobs.core.states import WorkerCommand
from src.jobs.leases import workers
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S, is_running
from tests.harness.stores import only_on
from tests.harness.waiting import eventually

BEAT_S = 0.2


def alive(callboard: Callboard) -> list[Worker]:
    with callboard.database.read() as session:
        return workers.alive(session)


def taking(callboard: Callboard) -> list[Worker]:
    return [each for each in alive(callboard) if each.wish is None]


@contextmanager
def never_without_a_worker(callboard: Callboard) -> Iterator[None]:
    """Look all the time whether a worker takes jobs."""
    ends, gaps = threading.Event(), []

    def look() -> None:
        while not ends.wait(0.01):
            if not taking(callboard):
                gaps.append(1)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
    assert not gaps


def test_a_worker_that_has_run_enough_jobs_is_replaced_before_it_takes_no_more(quiet: Callboard, tmp_path: Path) -> None:
    with quiet.working(threads=2, heartbeat_interval=BEAT_S, max_jobs=3) as command:
        [first] = alive(quiet)
        held = actors.make_and_wait.send(str(tmp_path / "made"), str(tmp_path / "go"))
        quiet.wait_for(tmp_path / "made")
        with never_without_a_worker(quiet):
            done = [actors.echo.send(number) for number in range(3)]
            eventually(lambda: len(alive(quiet)) == 2 and len(taking(quiet)) == 1, deadline_s=DEADLINE_S, what="another one serves")
            [second] = taking(quiet)
            [old] = [each for each in alive(quiet) if each.id == first.id]
            later = actors.echo.send("later")
            quiet.until(later)
        (tmp_path / "go").touch()
        assert quiet.until(held).state is State.SUCCEEDED
        eventually(lambda: not is_running(first.pid), deadline_s=DEADLINE_S, what="the first one ends")

        assert (old.wish, old.wished_by) == (WorkerCommand.STOP, "recycling: 3 jobs (CALLBOARD_MAX_JOBS is 3)")
        assert (first.recycled, second.recycled) == (None, "3 jobs (CALLBOARD_MAX_JOBS is 3)")
        assert [(each.number, each.worker) for each in quiet.job(held.message_id).attempts] == [(1, first.name)]
        assert [len(quiet.job(one.message_id).attempts) for one in [*done, later]] == [1] * 4
        assert quiet.job(later.message_id).attempts[0].worker == second.name
        command.ask_to_stop()
        assert command.process.wait(DEADLINE_S) == 0
        assert not alive(quiet)


@only_on("postgresql")
def test_a_replacement_that_cannot_start_leaves_the_worker_at_work_until_another_one_can(quiet: Callboard) -> None:
    with quiet.database.write() as session:
        session.execute(text("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'none'; END $$"))
    with quiet.working(threads=2, heartbeat_interval=BEAT_S, max_jobs=1, check=False) as command:
        [first] = alive(quiet)
        with quiet.database.write() as session:
            session.execute(text("CREATE TRIGGER refused BEFORE INSERT ON workers FOR EACH ROW EXECUTE FUNCTION refuse()"))
        quiet.until(actors.echo.send(1))
        command.wait_until_it_says("worker_not_replaced")

        assert quiet.job(quiet.until(actors.echo.send(2)).id).attempts[0].worker == first.name

        with quiet.database.write() as session:
            session.execute(text("DROP TRIGGER refused ON workers"))
        eventually(lambda: not is_running(first.pid), deadline_s=DEADLINE_S, what="it is replaced")
        assert quiet.job(quiet.until(actors.echo.send(3)).id).attempts[0].worker != first.name


def test_a_worker_that_is_killed_ends_its_command_as_without_recycling(quiet: Callboard) -> None:
    with quiet.working(threads=2, max_jobs=1000, check=False) as command:
        [worker] = alive(quiet)
        os.kill(worker.pid, signal.SIGKILL)
        assert command.process.wait(DEADLINE_S) != 0


def test_workers_end_with_their_main_process(quiet: Callboard) -> None:
    with quiet.working(threads=2, max_jobs=1000, check=False) as command:
        [worker] = alive(quiet)
        os.kill(command.process.pid, signal.SIGKILL)
        eventually(lambda: not is_running(worker.pid), deadline_s=DEADLINE_S, what="the worker stops")
        eventually(lambda: not alive(quiet), deadline_s=DEADLINE_S, what="and has signed off")


def test_a_limit_below_what_a_worker_needs_is_refused_with_a_better_one(quiet: Callboard) -> None:
    command = quiet.start(max_memory="20MB")
    assert command.process.wait(DEADLINE_S) != 0
    assert command.says("worker_cannot_start", "CALLBOARD_MAX_MEMORY is 20 MB", "set at least"), command.text()


@pytest.mark.slow  # the same way as the count of jobs; tests/unit/broker compares the figures
def test_a_worker_that_has_grown_is_replaced(quiet: Callboard) -> None:
    with quiet.working(threads=2, heartbeat_interval=BEAT_S, max_memory="300MB"):
        [first] = alive(quiet)
        with never_without_a_worker(quiet):
            quiet.until(actors.grow.send(300))
            eventually(lambda: not is_running(first.pid), deadline_s=DEADLINE_S, what="it ends")
        [second] = alive(quiet)
        assert "of memory (CALLBOARD_MAX_MEMORY is 300 MB)" in (second.recycled or "")
        assert (second.memory_bytes or 0) < 300_000_000
