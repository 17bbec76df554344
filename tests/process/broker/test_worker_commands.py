"""Worker commands: a quiet worker takes no new jobs; a stopping one exits when its jobs are finished."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from src.broker.core.load import Load
from src.jobs import JobsError, State
from src.jobs.core import fleet
from src.jobs.core.models import Worker
from src.jobs.core.states import WorkerCommand
from src.jobs.leases import worker_commands, workers
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.commands import Worker as Command
from tests.harness.waiting import eventually

BEAT_S = "0.2"


def alive(callboard: Callboard) -> Worker:
    with callboard.database.read() as session:
        [worker] = workers.alive(session)
    return worker


def ask(callboard: Callboard, wish: WorkerCommand | None) -> None:
    with callboard.database.write() as session:
        worker_commands.ask(session, alive(callboard).name, wish, by="tester")


def obeys(callboard: Callboard, command: Command, *words: str) -> None:
    command.wait_until_it_says("worker_command", *words)


def test_a_quiet_worker_finishes_what_it_runs_takes_nothing_until_it_is_resumed_and_stops_at_once_when_idle(
    quiet: Callboard, tmp_path: Path
) -> None:
    with quiet.working(threads=1, CALLBOARD_HEARTBEAT_INTERVAL=BEAT_S) as command:
        held = actors.make_and_wait.send(str(tmp_path / "made"), str(tmp_path / "go"))
        quiet.wait_for(tmp_path / "made")
        before = actors.echo.send("before")  # claimed ahead or not: no thread has begun it
        ask(quiet, WorkerCommand.QUIET)
        obeys(quiet, command, "quiet")
        after = actors.echo.send("after")
        eventually(lambda: quiet.messages("default") == 2, deadline_s=DEADLINE_S, what="both lie in the queue, and nobody has them")
        (tmp_path / "go").touch()

        assert quiet.until(held).state is State.SUCCEEDED
        beat = alive(quiet).heartbeat_at
        eventually(lambda: alive(quiet).heartbeat_at > beat, deadline_s=DEADLINE_S)
        assert [quiet.job(one.message_id).state for one in (before, after)] == [State.QUEUED, State.QUEUED]
        assert [quiet.job(one.message_id).attempts for one in (before, after)] == [[], []]
        assert (alive(quiet).wish, alive(quiet).wished_by) == (WorkerCommand.QUIET, "tester")
        assert (alive(quiet).memory_bytes or 0) > 10_000_000

        ask(quiet, None)
        assert [quiet.until(one).state for one in (before, after)] == [State.SUCCEEDED, State.SUCCEEDED]
        assert alive(quiet).wished_by is None

        for command_of_ours in (WorkerCommand.QUIET, WorkerCommand.STOP):
            ask(quiet, command_of_ours)
            obeys(quiet, command, command_of_ours.value)
        assert command.process.wait(DEADLINE_S) == 0


def test_a_worker_that_is_to_stop_ends_after_its_jobs_and_a_fresh_one_does_the_rest(quiet: Callboard, tmp_path: Path) -> None:
    with quiet.working(threads=2, CALLBOARD_HEARTBEAT_INTERVAL=BEAT_S) as command:
        held = actors.make_and_wait.send(str(tmp_path / "made"), str(tmp_path / "go"))
        quiet.wait_for(tmp_path / "made")
        ask(quiet, WorkerCommand.STOP)
        obeys(quiet, command, "stop")
        with pytest.raises(JobsError, match="cannot be undone"):
            ask(quiet, None)
        late = actors.echo.send("late")
        assert command.process.poll() is None
        (tmp_path / "go").touch()

        assert command.process.wait(DEADLINE_S) == 0
        job = quiet.until(held)
        assert (job.state, len(job.attempts)) == (State.SUCCEEDED, 1)
        assert quiet.job(late.message_id).attempts == []
        with quiet.database.read() as session:
            assert workers.alive(session) == []
            assert workers.lost_lately(session) == []  # it has signed off
        with pytest.raises(worker_commands.UnknownWorker, match="no living worker named"), quiet.database.write() as session:
            worker_commands.ask(session, "nobody:1", WorkerCommand.STOP, by="tester")
    with quiet.working(CALLBOARD_HEARTBEAT_INTERVAL=BEAT_S):
        assert quiet.until(late).state is State.SUCCEEDED


def test_a_worker_that_registers_again_stays_quiet_and_serves_no_queue(quiet: Callboard) -> None:
    with quiet.database.write() as session:
        first = workers.register(session, name="here:1", host="here", pid=1, version="0", threads=4, queues=["default"], actors=[])
        assert workers.served(workers.alive(session)) == {"default"}
        worker_commands.ask(session, "here:1", WorkerCommand.QUIET, by="tester")
        second = workers.register(session, name="here:1", host="here", pid=1, version="0", threads=4, queues=["default"], actors=[])
        assert worker_commands.of(session, second) is None
        worker_commands.copy_to(session, second, WorkerCommand.QUIET)
        assert (worker_commands.of(session, first), worker_commands.of(session, second)) == (WorkerCommand.QUIET, WorkerCommand.QUIET)
        assert workers.served(workers.alive(session)) == set()
        assert fleet.fleet_threads(session) == 0


def test_a_quiet_load_grants_nothing_and_wakes_who_waits_when_it_is_over() -> None:
    load, woken = Load(threads=2), threading.Event()
    load.be_quiet(True)
    assert load.reserve(5) == 0
    load._hungry[1] = woken.set  # as a consumer that has stood aside meanwhile
    load.be_quiet(False)
    assert woken.is_set()
    assert load.reserve(1) == 1


#: its consumers look only each five minutes whether they should stop
PATIENT = """
import dramatiq
import src.actors
from src.broker.process import single

dramatiq.Worker.__init__.__kwdefaults__["worker_timeout"] = 300_000
single.run(src.actors.broker, threads=1, queues=(), shutdown_timeout_s=300)
"""


def test_a_worker_that_stops_ends_with_its_jobs_and_not_when_its_consumers_look_next(quiet: Callboard, tmp_path: Path) -> None:
    worker = Command(["-c", PATIENT], {**os.environ, **quiet.environment}, quiet.folder / "patient.log")
    quiet.commands.append(worker)
    message = actors.make_and_wait_deaf.send(str(tmp_path / "made"), str(tmp_path / "go on"))
    quiet.wait_for(tmp_path / "made")

    worker.ask_to_stop()
    worker.wait_until_it_says("Shutting down")
    (tmp_path / "go on").touch()

    assert worker.process.wait(DEADLINE_S) == 0
    assert quiet.job(message.message_id).state is State.SUCCEEDED
