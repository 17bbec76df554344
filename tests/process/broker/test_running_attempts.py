"""Records that a worker process writes about the attempts in its threads."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from src.broker.consume.work_queue import WorkQueue
from src.broker.core.lease import Lease
from src.broker.core.load import Load
from src.broker.process.running_attempts import RunningAttempts
from src.jobs.attempts.current_job import RunningJob
from src.jobs.core.models import Job
from src.sql.database import Database
from tests.harness.callboard import Callboard
from tests.harness.jobs import claimed, hired, look

pytestmark = pytest.mark.both_stores


def running(database: Database) -> tuple[str, RunningJob]:
    one = claimed(database, hired(database))
    job = RunningJob(
        seq=one.seq, id=one.id, actor="add", queue="default", attempt=1, worker="here:1", scheduled_for=None, open_session=None
    )
    return one.id, job


def test_progress_is_written_once_and_kept_for_the_end_of_the_attempt(quiet: Callboard) -> None:
    """An actor may say more while its progress is being written: the last word must not be lost with the first."""
    database = quiet.database
    id, job = running(database)
    attempts = RunningAttempts(Lease("here:1"), Load(1), WorkQueue(), hand_back=lambda _deliveries: None)
    job.progress(9, 10)

    attempts._write_progress([SimpleNamespace(job=job)])
    noted = look(database, id).progress_done
    with database.write() as session:
        session.get_one(Job, job.seq).progress_done = -1
    attempts._write_progress([SimpleNamespace(job=job)])

    assert (noted, job.progress_seen) == (9, (9, 10, None))
    assert look(database, id).progress_done == -1
    job.progress(10, 10)
    attempts._write_progress([SimpleNamespace(job=job)])
    assert look(database, id).progress_done == 10
