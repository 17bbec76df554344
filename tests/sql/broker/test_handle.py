"""The handle of one job, in threads and in asyncio."""

from __future__ import annotations

import asyncio
import threading

import pytest

import src
from src.broker import JobFailure, job
from src.jobs.core.errors import NotAllowed, UnknownJob
from src.jobs.core.states import State
from src.sql.database import Database
from tests.harness.jobs import claim, claimed, ended, hired, in_state, message, settle, submitted


@pytest.mark.both_stores
def test_a_handle_follows_its_job_to_the_result(database: Database) -> None:
    receipt = submitted(database, 1, 2)
    handle = job(receipt)
    assert (handle.state, handle.attempts, handle.exception) == (State.QUEUED, [], None)
    with pytest.raises(TimeoutError):
        _ = handle.result

    worker = hired(database)
    attempt = claim(database, worker, receipt.id)
    assert attempt is not None
    ending = threading.Thread(target=settle, args=(database, worker, ended(attempt, result="3")))
    ending.start()

    assert handle.wait(30) == 3
    ending.join()
    assert (handle.state, handle.result, handle.exception) == (State.SUCCEEDED, 3, None)
    assert [each.number for each in handle.attempts] == [1]
    with pytest.raises(NotAllowed):
        handle.cancel()


def test_a_failure_is_raised_and_kept_and_a_retry_queues_again(database: Database) -> None:
    attempt = claimed(database, hired(database), 1)
    handle = job(in_state(database, State.DEAD))

    with pytest.raises(JobFailure):
        handle.wait(0)
    assert isinstance(handle.exception, JobFailure)
    assert handle.retry() is State.QUEUED
    assert handle.cancel() is State.CANCELLED
    assert job(attempt.id).state is State.RUNNING


def test_an_unknown_job_is_not_a_pending_one(database: Database) -> None:
    handle = job("0198c1f2-0000-7000-8000-000000000000")

    for use in (lambda: handle.state, lambda: handle.attempts, lambda: handle.wait(0), handle.cancel, handle.retry):
        with pytest.raises(UnknownJob):
            use()


def test_a_message_that_was_sent_and_the_start_of_an_id_name_a_job(database: Database) -> None:
    sent = message(1)
    submitted(database, 1)
    receipt = submitted(database, 2)

    assert src.job(receipt.id[:8] + "…" + receipt.id[-6:]).cancel() is State.CANCELLED
    assert job(sent).id == sent.message_id


def test_coroutines_do_the_same(database: Database) -> None:
    waiting, dead = submitted(database, 1), job(in_state(database, State.DEAD))
    worker = hired(database)
    attempt = claim(database, worker, waiting.id)
    assert attempt is not None

    async def run() -> None:
        result = asyncio.create_task(job(waiting).wait_async(30))
        with pytest.raises(TimeoutError):
            await job(waiting).wait_async(0)
        await asyncio.to_thread(settle, database, worker, ended(attempt, result="3"))
        assert await result == 3
        assert await job(waiting).state_async() is State.SUCCEEDED
        assert await job(waiting).result_async() == 3
        assert len(await job(waiting).attempts_async()) == 1
        assert isinstance(await dead.exception_async(), JobFailure)
        assert await dead.retry_async() is State.QUEUED
        assert await dead.cancel_async() is State.CANCELLED
        with pytest.raises(UnknownJob):
            await job("missing-00000000").wait_async()

    asyncio.run(run())
