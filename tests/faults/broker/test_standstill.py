"""A worker process frozen for longer than its lease: its jobs run elsewhere, and none counts a crash."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from sqlalchemy import select

from src.jobs import Outcome, State
from tests.actors import broker as actors
from tests.faults.broker.test_outages import close_connections
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.stores import only_on
from tests.harness.waiting import eventually

QUICK = {"CALLBOARD_LEASE_DURATION": "2", "CALLBOARD_HEARTBEAT_INTERVAL": "0.5", "CALLBOARD_RECONCILE_AFTER": "600"}


@only_on("sqlite", by="quiet")  # the two stores' statements are compared in tests/sql/jobs
def test_jobs_of_a_frozen_worker_are_run_by_another(quiet: Callboard, tmp_path: Path) -> None:
    with quiet.working(threads=4, check=True, **QUICK) as still, quiet.entered(**QUICK):
        running = actors.make_and_wait_deaf.send(str(tmp_path / "made"), str(tmp_path / "go on"))
        quiet.wait_for(tmp_path / "made")
        [process] = still.children()
        with quiet.database.write() as session:
            session.execute(select(1))  # SQLite's one write lock: the worker must not keep it while it stands still
            os.kill(process, signal.SIGSTOP)
        brought = [actors.echo.send(number) for number in range(3)]  # as many as it has threads free
        eventually(lambda: quiet.messages("default") == 0, deadline_s=DEADLINE_S, what="RabbitMQ has brought them")

        with quiet.working(threads=2, check=True, **QUICK) as other:
            assert [quiet.until(message).result for message in brought] == list(range(3))
            other.wait_until_it_says("messages_of_lost_worker")
            # As RabbitMQ does itself 25 seconds after the last heartbeat: until then it may give the frozen worker the next message, too.
            close_connections(quiet, f"worker {process}")
            quiet.until(running, State.RUNNING)
            assert quiet.job(running.message_id).crashes == 1, "it may have died"

            os.kill(process, signal.SIGCONT)

            eventually(lambda: quiet.job(running.message_id).crashes == 0, deadline_s=DEADLINE_S, what="it is known to live")
            (tmp_path / "go on").touch()
            job = quiet.until(running)
    assert [attempt.outcome for attempt in job.attempts] == [Outcome.LOST, Outcome.SUCCEEDED]
