"""A scheduler process that stands still is seen as such within its lease, and as alive again when it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from src.jobs.leases import heartbeats
from src.jobs.leases.heartbeats import Role
from src.sql.database import Database
from tests.harness import ROOT
from tests.harness.stores import only_on
from tests.harness.waiting import eventually
from tests.process.schedules.test_schedulers import environment

__all__ = ["environment"]


@only_on("sqlite", by="database_url")  # which one plays no part here
def test_a_frozen_scheduler_falls_silent_and_one_that_ends_signs_off(
    database: Database, environment: dict[str, str], tmp_path: Path
) -> None:
    quick = {**environment, "CALLBOARD_HEARTBEAT_INTERVAL": "0.3", "CALLBOARD_LEASE_DURATION": "2"}

    def roles() -> set[str]:
        with database.read() as session:
            return {each.role for each in heartbeats.alive(session)}

    def silent() -> list[int]:
        with database.read() as session:
            return [each.pid for role in Role for each in heartbeats.silent(session, role)]

    with open(tmp_path / "log", "wb") as log:
        command = [sys.executable, "-c", "from src.scheduling import clock; clock.main()"]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **quick}, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually(lambda: roles() == {"scheduler", "relay"}, deadline_s=60)
        process.send_signal(signal.SIGSTOP)
        eventually(lambda: silent() == [process.pid, process.pid], deadline_s=20)
        process.send_signal(signal.SIGCONT)
        eventually(lambda: roles() == {"scheduler", "relay"} and silent() == [], deadline_s=20)
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert (roles(), silent()) == (set(), [])
    assert "Traceback" not in (tmp_path / "log").read_text()
