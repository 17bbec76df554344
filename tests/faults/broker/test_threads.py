"""A worker process that loses one of its own threads is replaced, and its jobs are not blamed."""

from __future__ import annotations

from pathlib import Path

import pytest
from dramatiq import Message

from src.jobs import State
from src.jobs.submit.submission import new_id
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.stores import only_on

ACTORS = "tests.actors.broker,tests.actors.breaking"
QUEUES = ("-Q", "default", "breaking")


def message(actor: str, *args: object) -> Message[object]:
    return Message(queue_name="breaking", actor_name=actor, args=args, kwargs={}, options={}, message_id=new_id())


# The pulse checks the others; the lease thread checks the pulse.
@pytest.mark.parametrize("thread", ["committer", pytest.param("lease", marks=pytest.mark.slow), "pulse"])
@only_on("sqlite", by="quiet")  # threads behave the same on both
def test_a_worker_that_loses_a_thread_ends_and_leaves_no_job_behind(quiet: Callboard, tmp_path: Path, thread: str) -> None:
    with quiet.working(*QUEUES, threads=2, check=False, CALLBOARD_ACTORS=ACTORS) as worker:
        id = quiet.submit(message("end_thread", thread, str(tmp_path / "trace")))
        assert worker.process.wait(DEADLINE_S) != 0
        assert worker.says("worker_thread_lost", f'"thread": "{thread}"')
    job = quiet.job(id)
    assert (quiet.alive(), job.crashes) == (0, 0)
    assert job.state in (State.QUEUED, State.SUCCEEDED)  # its end may have been what the committer was ended at


@only_on("sqlite", by="quiet")
def test_a_worker_whose_thread_stands_still_ends_and_leaves_no_job_behind(quiet: Callboard, tmp_path: Path) -> None:
    with quiet.working(*QUEUES, threads=2, check=False, CALLBOARD_ACTORS=ACTORS, CALLBOARD_STUCK_AFTER="3") as worker:
        id = quiet.submit(message("freeze_committer", str(tmp_path / "trace")))
        assert worker.process.wait(DEADLINE_S) != 0
        assert worker.says("worker_thread_lost", '"thread": "committer"', "has made no progress")
        assert quiet.until(id, State.QUEUED).crashes == 0  # its watchdog has noted the end


@only_on("sqlite", by="quiet")
def test_an_actor_uses_a_pool_of_processes(quiet: Callboard) -> None:
    with quiet.working(*QUEUES, CALLBOARD_ACTORS=ACTORS) as worker:
        assert quiet.until(quiet.submit(message("use_pool"))).result == [1, 2]
        worker.ask_to_stop()
        assert worker.process.wait(DEADLINE_S) == 0
