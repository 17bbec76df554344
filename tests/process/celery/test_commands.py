"""Celery's commands on real processes: a worker with a scheduler beside it, a call, its result, and the worker's end."""

from __future__ import annotations

import os
from pathlib import Path

from tests.harness import fork_server
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S, Worker
from tests.harness.services import BrokerNode

CELERY = ("-m", "src", "celery", "-A", "tests.actors.celery_tasks")


def test_a_worker_with_beat_serves_calls_until_it_is_shut_down(database_url: str, broker_node: BrokerNode, tmp_path: Path) -> None:
    with Callboard(broker_node, database_url, tmp_path, heartbeat_interval=0.2) as callboard:
        environment = {**os.environ, **callboard.environment}

        def celery(*words: str) -> str:
            done = fork_server.server().run([*CELERY, *words], environment)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout.strip()

        log = tmp_path / "worker.log"
        worker = Worker([*CELERY, "worker", "-Q", "default,urgent", "-c", "2", "-l", "info", "-B", "-n", "w@%h"], environment, log)
        callboard.commands.append(worker)
        worker.wait_until_serving()

        id = celery("call", "tests.actors.celery_tasks.add", "--args", "[4, 4]", "--queue", "urgent")
        assert celery("result", id) == "8"
        assert celery("inspect", "ping").endswith("    pong\n\n1 node online.")
        worker.wait_until_it_says("./run worker --threads 2 --queues default,urgent")
        worker.wait_until_it_says("--hostname has no effect")
        worker.wait_until_it_says("scheduler_ready")

        celery("control", "shutdown")
        worker.process.wait(DEADLINE_S)
        assert worker.says("scheduler_stopped")
