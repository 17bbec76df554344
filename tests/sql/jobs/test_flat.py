"""Hot statements cost the same whatever has ended before: they read neither final jobs nor dead versions of rows.

PostgreSQL counts the index entries and rows that a transaction has read, SQLite the steps of its virtual machine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.ledger import filling
from src.jobs.control import held
from src.jobs.core.claimed import Claimed
from src.jobs.core.models import Job
from src.jobs.core.states import Outcome, State
from src.jobs.finish.settle import Finished, present_us, settle
from src.jobs.leases import claims, workers
from src.jobs.limits import fair_queueing
from src.jobs.relay import due_jobs, lost_messages
from src.jobs.relay.confirmations import mark_published
from src.jobs.submit import stand_ins
from src.jobs.submit.submission import submit
from src.jobs.upkeep import activity, retention
from src.jobs.upkeep.retention import Sweep
from src.sql.clock import now
from src.sql.database import Database
from tests.harness import plans
from tests.harness.ageing import age, pinned
from tests.harness.jobs import hired, message, submitted
from tests.harness.stores import only_on

pytestmark = pytest.mark.both_stores

#: entries and rows that one statement may read on PostgreSQL, steps that it may take on SQLite
MOST_READ, MOST_STEPS = 150, 20_000
Look = Callable[[Session], object]

_READ = text("""
    SELECT (SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0) FROM pg_index WHERE indrelid IN ('jobs'::regclass, 'attempts'::regclass))
        + pg_stat_get_xact_tuples_returned('jobs'::regclass) + pg_stat_get_xact_tuples_returned('attempts'::regclass)
""")


def cost(database: Database, look: Look) -> int:
    """Return the entries and rows, or the steps, that it takes."""
    with database.write() as session:
        if not database.is_sqlite:
            session.execute(text("SET LOCAL enable_seqscan = off"))  # with few rows PostgreSQL would rightly read them all
            before = session.execute(_READ).scalar_one()
            look(session)
            return int(session.execute(_READ).scalar_one() - before)
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 100

        connection: Any = session.connection().connection.driver_connection
        connection.set_progress_handler(count, 100)
        look(session)
        connection.set_progress_handler(None, 0)
        return steps


def looks(since: Any = due_jobs.FIRST) -> dict[str, Look]:
    """The questions that relays, reconcilers and consumers ask again and again."""
    return {
        "next_instant": lambda session: due_jobs.next_instant(session, since=since, until=now() + timedelta(seconds=30)),
        "release_due": lambda session: due_jobs.release_due(session, since=since),
        "take_unpublished": lambda session: due_jobs.take_unpublished(session, since=since),
        "expire": lambda session: due_jobs.expire(session, since=since),
    }


WATCHES: dict[str, Look] = {
    "silent": workers.silent,
    "some_wait": fair_queueing.some_wait,
    "starved": fair_queueing.starved,
    "top_up": lambda session: fair_queueing.top_up(session, "default"),
    "some_wait_for_code": held.some_wait_for_code,
    "may_go": stand_ins.may_go,
    "waiting_since": lambda session: lost_messages.waiting_since(session, now()),
    "left_waiting": lambda session: lost_messages.left_waiting(session, ["default", "mail"], now()),
    "prune": lambda session: retention.prune(session, batch=20, sweep=Sweep()),
}


def lived(session: Session, worker: int) -> None:
    """A job is submitted with all keys, published, claimed and ended."""
    receipt = submit(session, message(), unique_key="key", idempotency_key="key")
    session.flush()
    job = session.get_one(Job, session.execute(text("SELECT max(seq) FROM jobs")).scalar_one())
    mark_published(session, [due_jobs.take_unpublished(session)[0]] if job.publish_at and job.publish_at <= now() else [])
    claimed: list[Claimed] = claims.claim(session, worker, [(receipt.id, 1)])
    present = present_us()
    ends = [Finished(one.seq, one.id, 1, State.SUCCEEDED, Outcome.SUCCEEDED, present, present, result="1") for one in claimed]
    assert settle(session, ends, worker_id=worker, worker="here:1")


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

    found = {name: cost(database, look) for name, look in (looks() | WATCHES).items()}
    found["life"] = cost(database, lambda session: lived(session, worker))

    assert {name: read for name, read in found.items() if read > (MOST_STEPS if database.is_sqlite else MOST_READ)} == {}


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
