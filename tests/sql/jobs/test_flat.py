"""Hot statements cost the same whatever has ended before: they read neither final jobs nor dead versions of rows.

With ten million jobs: `python -m bench.ledger plans`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bench.ledger import filling
from src.jobs.relay import due_jobs
from src.jobs.upkeep import activity, retention
from src.jobs.upkeep.retention import Sweep
from src.sql.clock import now
from src.sql.database import Database
from tests.harness import plans
from tests.harness.ageing import age, pinned
from tests.harness.hot_statements import FEW, MOST_READ, cost, looks, over_limit
from tests.harness.jobs import hired, submitted
from tests.harness.stores import only_on

pytestmark = pytest.mark.both_stores


def filled(database: Database, jobs: int) -> None:
    if database.is_sqlite:
        filling.fill_sqlite(Path(str(database.url.database)), jobs, float("inf"))
    else:
        url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        filling.fill_postgresql(url, jobs, float("inf"))
    with database.write() as session:
        session.execute(text("ANALYZE"))


@pytest.mark.parametrize("jobs", [3_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_final_jobs_cost_hot_statements_nothing(fresh_database: Database, jobs: int) -> None:
    database = fresh_database
    filled(database, jobs)
    worker = hired(database)
    for _ in range(3):
        submitted(database)

    assert over_limit(database, worker, few=jobs < FEW) == {}


def test_an_idle_scheduler_reads_no_ended_job(fresh_database: Database) -> None:
    """PostgreSQL takes unknown values for ones that match, and matches for evenly spread: for one row it would read all before it."""
    filled(fresh_database, 3_000)
    asked = activity._MARK.sqlite if fresh_database.is_sqlite else activity._MARK.postgresql

    assert plans.whole_reads(fresh_database, {asked: {}}) == {}


@only_on("postgresql")
def test_a_look_reads_nothing_that_moved_on_while_a_transaction_was_held_open(fresh_database: Database) -> None:
    database = fresh_database
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with pinned(url):
        age(url, 2_000)
        with database.write() as session:
            session.execute(
                text("UPDATE jobs SET created_at = created_at - interval '1 year', finished_at = finished_at - interval '1 year'")
            )
            session.execute(text("ANALYZE"))
        sweep = Sweep()
        with database.write() as session:
            while not sweep.is_through:
                retention.prune(session, batch=1_000, sweep=sweep)

        all_of_them = cost(database, lambda session: due_jobs.next_instant(session))
        found = {name: cost(database, look) for name, look in looks(now() - timedelta(seconds=10)).items()}
        found["prune"] = cost(database, lambda session: retention.prune(session, sweep=sweep))

    assert all_of_them >= 2_000
    assert {name: read for name, read in found.items() if read > MOST_READ} == {}
