"""Queues that are deleted while they are consumed."""

from __future__ import annotations

from pathlib import Path

from src.sql.database import Database
from tests.faults.chaos.test_kill_points import ended, running, submitted
from tests.harness.callboard import Callboard
from tests.harness.fleet import Fleet
from tests.harness.waiting import eventually


def test_all_queues_deleted_by_hand_come_back_with_their_jobs_and_consumers(
    callboard: Callboard, chaos: dict[str, str], database: Database, tmp_path: Path
) -> None:
    with Fleet(chaos, tmp_path / "log", workers=1, threads=2, scheduler=False):
        before = submitted(database, "leave_a_row", length_ms=200)
        eventually(lambda: running(database), deadline_s=20, what="a job runs, and the others wait in the queue")
        assert callboard.delete_queues() > 0
        ended(database, before).check()
        ended(database, submitted(database, "work")).check()
