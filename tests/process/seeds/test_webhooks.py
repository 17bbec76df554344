"""Webhooks receive the ends of jobs of real workers."""

from __future__ import annotations

from src.actors import arithmetic
from src.jobs.webhooks import webhooks
from src.jobs.webhooks.models import Kind
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.waiting import eventually
from tests.unit.actors.test_http_call import Server, server

__all__ = ["server"]


def test_a_webhook_created_while_workers_run_gets_the_events_that_follow(quiet: Callboard, server: Server) -> None:
    with quiet.working(CALLBOARD_HTTP_ALLOW="127.0.0.1"):
        arithmetic.add.send(1, 2).get_result(block=True, timeout=int(DEADLINE_S * 1000))  # the worker has looked for webhooks by now
        with quiet.database.write() as session:
            webhooks.create(session, url=f"{server.url}/hook", kind=Kind.JOB, actor="add", states=["succeeded"], by="test")

        def heard() -> bool:
            arithmetic.add.send(3, 4)
            return any(path == "/hook" for _, path, _, _ in server.seen)

        eventually(heard, deadline_s=DEADLINE_S, interval_s=0.5, what="the webhook is told")
