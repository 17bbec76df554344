"""Actors of the chaos tests, loaded by real worker commands through CALLBOARD_ACTORS; importing them arms the chosen fault.

A sleep here is a job's work or its hang; tests never wait by sleeping.
"""

from __future__ import annotations

import os
import signal
import time

import dramatiq
from sqlalchemy import insert

from src.jobs import current_job
from tests.faults.chaos import faults
from tests.harness.effects import effects


@dramatiq.actor(queue_name="chaos", max_retries=3, min_backoff=100, max_backoff=500)
def work(length_ms: int) -> str:
    """Work for so many milliseconds."""
    time.sleep(length_ms / 1000)
    return str(current_job.id)


@dramatiq.actor(queue_name="chaos", max_retries=3, min_backoff=100, max_backoff=500, transactional=True)
def leave_a_row(length_ms: int) -> str:
    """Work for so many milliseconds, then write one row in the transaction that ends the attempt."""
    time.sleep(length_ms / 1000)
    current_job.session.execute(insert(effects).values(job_id=current_job.id, attempt=current_job.attempt))
    return str(current_job.id)


@dramatiq.actor(queue_name="chaos", max_retries=3, min_backoff=100, max_backoff=500)
def stumble_once() -> str:
    """Fail at the first attempt."""
    if current_job.attempt == 1:
        raise RuntimeError("the first attempt fails")
    return str(current_job.id)


@dramatiq.actor(queue_name="chaos", max_retries=3)
def say_much(length_ms: int) -> str:
    """Return more than fits into a row."""
    return str(current_job.id) * 10_000


@dramatiq.actor(queue_name="chaos", max_retries=3)
def kill_its_worker() -> None:
    """Take the whole process down, as a crash in a C library or the kernel's memory guard does."""
    time.sleep(0.3)  # the others of its prefetch are to be running too
    os.kill(os.getpid(), signal.SIGKILL)


faults.arm()
