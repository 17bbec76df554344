"""Workflows for tests without a broker: messages by actor name, and jobs brought to an end by the jobs room's public functions."""

from __future__ import annotations

import json
from typing import Any

from src.jobs import State
from src.jobs.control.workflows import Found, find
from src.jobs.core.models import Job
from src.jobs.leases import workers
from src.jobs.workflows.canvas import Workflow
from src.jobs.workflows.submission import WorkflowReceipt
from src.sql.database import Database
from tests.harness.jobs import claim, ended, hired, look, message, settle

__all__ = ["Hand", "message", "submitted", "view"]


class Hand:
    """A worker under the test's control."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.worker = hired(database)

    def end(self, id: str, state: State = State.SUCCEEDED, result: Any = None, **values: Any) -> Job:
        """Claim the next attempt of a queued job and settle it."""
        with self.database.write() as session:  # on a busy machine a test may last longer than a lease
            workers.heartbeat(session, self.worker, busy=0, frontier={})
        one = claim(self.database, self.worker, id, look(self.database, id).attempt + 1)
        assert one is not None, f"the job is {look(self.database, id).state} and cannot be claimed"
        end = ended(one, state, result=json.dumps(result), workflow_seq=one.workflow_seq, **values)
        assert settle(self.database, self.worker, end) == {one.seq}
        return look(self.database, id)


def submitted(database: Database, workflow: Workflow) -> WorkflowReceipt:
    """Submit a workflow and commit."""
    with database.write() as session:
        return workflow.submit(session)


def view(database: Database, receipt: WorkflowReceipt) -> Found:
    """Return the workflow as it is now."""
    with database.read() as session:
        found = find(session, receipt.id)
    assert found is not None
    return found
