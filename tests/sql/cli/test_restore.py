"""`./run restore` of a moment at which a job was being cancelled: it completes the cancel, and notifies the webhooks of it."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import func, select, text

from src.backup import creation
from src.jobs import State
from src.jobs.control import actions
from src.jobs.webhooks import webhooks
from src.jobs.webhooks.models import Kind, WebhookDelivery
from src.sql.database import Database
from tests.harness import fork_server
from tests.harness.jobs import claimed, hired, look
from tests.harness.stores import only_on


@only_on("sqlite")  # the point is the process, not the store
def test_a_completed_cancel_is_an_event(fresh_database: Database, tmp_path: Path) -> None:
    database = fresh_database
    running = claimed(database, hired(database))
    with database.write() as session:
        actions.cancel(session, running.id)
        webhooks.create(session, url="https://example.com/", kind=Kind.JOB, actor=None, states=["cancelled"], by="admin")
    path, _ = creation.make(database, tmp_path / "backups")
    with database.write() as session:
        session.execute(text("UPDATE workers SET stopped_at = heartbeat_at"))
    url = database.url.render_as_string(hide_password=False)
    database.engine.dispose()

    words = ["-m", "src", "restore", str(path), "--yes", "--data", str(tmp_path / "data")]
    done = fork_server.server().run(words, {**os.environ, "CALLBOARD_DATABASE_URL": url})

    assert done.returncode == 0, done.stderr
    assert look(database, running.id).state is State.CANCELLED
    with database.read() as session:
        assert session.execute(select(func.count()).select_from(WebhookDelivery)).scalar_one() == 1
