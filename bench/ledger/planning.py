"""Check on a filled database that hot statements read no more of it than of a small one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import func, select

from bench.ledger import filling
from src.jobs.core.models import Job, Worker
from src.sql.database import Database
from tests.harness import hot_statements
from tests.harness.jobs import hired


def over_limit(folder: Path, store: str) -> tuple[int, dict[str, int]]:
    """Return the number of the newest job, and the hot statements that read too much, with what they read. The database stays as it was."""
    with ExitStack() as opened:
        if store == "sqlite":
            url = f"sqlite:///{folder / filling.FILE}"
        else:
            served = opened.enter_context(filling.server(folder))
            filling.finish_postgresql(served)  # without autovacuum, the index entries of jobs drained before are still there
            url = served.replace("postgresql:", "postgresql+psycopg:")
        database = Database(url)
        opened.callback(database.engine.dispose)
        worker = hired(database)
        try:
            with database.read() as session:
                jobs = session.execute(select(func.max(Job.seq))).scalar_one()
            return jobs, hot_statements.over_limit(database, worker, few=False)
        finally:
            with database.write() as session:
                session.delete(session.get_one(Worker, worker))
