"""current_job: inside of an attempt, and in a plain call of the function."""

from __future__ import annotations

import asyncio
import threading

import pytest

from src.jobs import CancelRequested, current_job
from src.jobs.attempts.current_job import RunningJob


def running_job() -> RunningJob:
    return RunningJob(seq=1, id="id", actor="add", queue="default", attempt=2, worker="here:1", scheduled_for=None, open_session=None)


def test_a_plain_call_may_report_progress_without_a_job() -> None:
    current_job.progress(1, 2, "half")
    current_job.check()

    assert not current_job
    assert current_job.cancel_requested is False


@pytest.mark.parametrize("name", ["id", "attempt", "session", "queue"])
def test_a_plain_call_has_no_job_to_ask(name: str) -> None:
    with pytest.raises(RuntimeError, match=f"current_job.{name} is only there while a worker runs the actor"):
        getattr(current_job, name)


def test_each_thread_has_its_own_job() -> None:
    seen = []
    current_job.job = running_job()
    try:
        thread = threading.Thread(target=lambda: seen.append(bool(current_job)))
        thread.start()
        thread.join()
        assert (current_job.id, current_job.attempt) == ("id", 2)
    finally:
        current_job.job = None
    assert seen == [False]


def test_a_coroutine_started_for_a_job_sees_the_job_of_its_starter() -> None:
    async def which() -> str:
        await asyncio.sleep(0)
        return str(current_job.id)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    current_job.job = running_job()
    try:
        assert asyncio.run_coroutine_threadsafe(which(), loop).result(10) == "id"
    finally:
        current_job.job = None
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_progress_is_the_check_point_of_a_cancel() -> None:
    job = running_job()
    job.progress(1)
    job.cancel_requested = True

    with pytest.raises(CancelRequested):
        job.progress(2, 3, "more")

    assert job.progress_seen == (2, 3, "more")


def test_a_cancel_is_no_exception_that_an_actor_catches_by_accident() -> None:
    assert not issubclass(CancelRequested, Exception)


@pytest.mark.parametrize("done", [10**30, -(10**30)])
def test_progress_beyond_what_a_column_holds_is_kept_at_its_limit(done: int) -> None:
    job = running_job()

    job.progress(done, done)

    assert job.progress_seen is not None
    assert all(number is not None and -(2**63) <= number < 2**63 for number in job.progress_seen[:2])


def test_an_actor_without_a_transaction_gets_an_error_with_the_cure() -> None:
    with pytest.raises(RuntimeError, match=r"add has no session: declare it with @dramatiq.actor\(transactional=True\)"):
        _ = running_job().session
