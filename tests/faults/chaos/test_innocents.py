"""A job that kills its worker ends dead; jobs that ran beside it do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from dramatiq import Message

from src.jobs import submit_many
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import new_id
from src.sql.database import Database
from tests.faults.chaos.test_kill_points import ended, submitted
from tests.harness.fleet import Fleet


@pytest.mark.slow
def test_jobs_that_run_beside_a_killer_are_not_dead_with_it(chaos: dict[str, str], database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        killer: Message[object] = Message(
            queue_name="chaos", actor_name="kill_its_worker", args=(), kwargs={}, options={}, message_id=new_id()
        )
        [receipt] = submit_many(session, [Submission(killer)])
    innocents = submitted(database, "leave_a_row", count=7, length_ms=2000)

    with Fleet(chaos, tmp_path / "log", workers=1, threads=8, scheduler=False):
        found = ended(database, [receipt.id, *innocents], deadline_s=120)

    found.check()
    assert found.states == {"dead": 1, "succeeded": 7}
