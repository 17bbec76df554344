"""Isolated actors: everything works as in a thread, and failures affect only their own attempt."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from src.jobs import Outcome, State
from src.jobs.files.result_files import result_of
from tests.actors import isolation as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import Worker, is_running
from tests.harness.waiting import eventually


def test_an_isolated_actor_has_its_result_progress_log_and_messages(served: Callboard) -> None:
    ids = served.send(actors.work_apart.message(5), actors.work_apart_async.message(5))

    job, asynchronous = (served.ended(id) for id in ids)

    assert (job.state, job.result["number"]) == (State.SUCCEEDED, 5), job.error
    [worker] = served.commands
    assert isinstance(worker, Worker)
    assert job.result["pid"] != worker.pid
    assert (job.progress_done, job.progress_total, job.progress_message) == (5, 5, "done apart")
    assert served.log_of(job.id) == [(1, 1, "stdout", "printed apart"), (1, 2, "warning", "logged apart 5")]
    assert (asynchronous.state, asynchronous.result) == (State.SUCCEEDED, 6), asynchronous.error
    assert served.log_of(asynchronous.id) == [(1, 1, "stdout", "printed by a coroutine")]
    eventually(lambda: served.lines("neighbours") == ["5"], what="the job that it has sent runs")
    assert not is_running(job.result["pid"])


def test_an_isolated_actor_starts_its_callback_with_a_large_result(served: Callboard) -> None:
    (id,) = served.send(actors.call_back_apart.message())

    assert len(result_of(served.ended(id))) == 300_000
    eventually(lambda: served.lines("results") == ["300000"], what="the callback runs")


def test_modules_that_start_threads_get_cells_that_are_started_cold(callboard: Callboard) -> None:
    callboard.environment["CALLBOARD_ACTORS"] = "tests.actors.isolation,tests.actors.threaded"
    callboard.worker()
    (id,) = callboard.send(actors.work_apart.message(3))

    job = callboard.ended(id, within_s=60)

    assert (job.state, job.result["number"]) == (State.SUCCEEDED, 3), job.error
    eventually(lambda: "children_start_cold" in callboard.worker_logs(), what="it is logged")


def test_a_transactional_isolated_actor_commits_with_its_end_or_not_at_all(served: Callboard) -> None:
    kept, failed, died = (served.ended(id) for id in served.send(*(actors.write_apart.message(end) for end in ("keep", "fail", "die"))))

    assert (kept.state, kept.result) == (State.SUCCEEDED, "keep"), kept.error
    assert (failed.state, failed.error) == (State.DEAD, "RuntimeError: after the write")
    assert "after the write" in str(failed.attempts[0].traceback)
    assert (died.state, died.error) == (State.DEAD, "ChildDied: its process exited with code 7")
    with served.database.read() as session:
        assert list(session.execute(text("SELECT job_id FROM effects")).scalars()) == [kept.id]
    assert served.log_of(kept.id) == [(1, 1, "stdout", "written")]
    assert served.log_of(failed.id) == [(1, 1, "stdout", "written")]


@pytest.mark.parametrize(("how", "error"), [("exit", "exited with code 3"), ("segfault", "was killed by signal 11")])
def test_a_process_that_dies_costs_its_own_attempt_only_and_retries_decide(served: Callboard, how: str, error: str) -> None:
    (id,) = served.send(actors.die_apart.message(how))

    job = served.ended(id)

    assert (job.state, job.result, job.crashes) == (State.SUCCEEDED, 2, 0)
    assert [attempt.outcome for attempt in job.attempts] == [Outcome.FAILED, Outcome.SUCCEEDED]
    assert job.attempts[0].error == f"ChildDied: its process {error}"


def test_child_processes_of_an_isolated_actor_end_with_its_attempt(served: Callboard) -> None:
    (id,) = served.send(actors.leave_children.message())

    assert served.ended(id).result == "gone without them"

    assert len(served.lines("pids")) == 4
    assert not [pid for pid in served.lines("pids") if is_running(int(pid))]


def test_cells_end_with_their_killed_worker(callboard: Callboard) -> None:
    worker = callboard.worker(lease_duration=3, heartbeat_interval=1)
    (id,) = callboard.send(actors.have_grandchildren.message())
    eventually(lambda: len(callboard.lines("pids")) == 5, deadline_s=20)

    worker.kill()

    eventually(lambda: not [pid for pid in callboard.lines("pids") if is_running(int(pid))], what="cell and grandchildren are gone")
    callboard.worker(lease_duration=3, heartbeat_interval=1)
    eventually(lambda: callboard.job(id).attempt == 2, deadline_s=20)
    assert callboard.job(id).attempts[0].outcome is Outcome.LOST


def test_an_isolated_attempt_records_its_cpu_time_and_peak_memory_also_if_it_dies(served: Callboard) -> None:
    ended, died = (served.ended(id) for id in served.send(actors.work_apart_async.message(5), actors.die_apart.message("segfault")))

    for attempt in (*ended.attempts, *died.attempts):
        assert attempt.cpu_us is not None, attempt.outcome
        assert attempt.memory_bytes is not None, attempt.outcome
        assert 0 < attempt.cpu_us < 60_000_000
        assert attempt.memory_bytes > 1_000_000
