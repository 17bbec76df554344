"""The statements that run for each job, or again and again: how much each of them reads.

PostgreSQL counts the index entries and rows that a transaction has read, SQLite the steps of its virtual machine. Each
statement runs in a transaction that is rolled back, in a session, and on PostgreSQL also on a direct connection, whose
plans are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from src.jobs.control import held
from src.jobs.core import envelopes
from src.jobs.core.claimed import Claimed
from src.jobs.core.envelopes import Envelope
from src.jobs.core.models import Job
from src.jobs.core.states import Outcome, State
from src.jobs.finish import result_waiters
from src.jobs.finish.settle import Finished, present_us, settle, settle_alone
from src.jobs.leases import claims, workers
from src.jobs.limits import fair_queueing
from src.jobs.read.queries import ending
from src.jobs.relay import due_jobs, lost_messages
from src.jobs.relay.confirmations import mark_published
from src.jobs.submit import stand_ins
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit, submit_alone
from src.jobs.upkeep import activity, retention
from src.jobs.upkeep.retention import Sweep
from src.sql.clock import now
from src.sql.database import Database
from src.sql.direct import Direct
from tests.harness.jobs import message

Look = Callable[[Session], object]
Result = TypeVar("Result")

#: entries and rows that one statement may read on PostgreSQL, steps that it may take on SQLite
MOST_READ, MOST_STEPS = 150, 20_000
#: jobs below which PostgreSQL would rightly read all of them
FEW = 100_000

_READ = """
    SELECT (SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0) FROM pg_index WHERE indrelid IN ('jobs'::regclass, 'attempts'::regclass))
        + pg_stat_get_xact_tuples_returned('jobs'::regclass) + pg_stat_get_xact_tuples_returned('attempts'::regclass)
"""


def cost(database: Database, look: Look, *, few: bool = True) -> int:
    """Return the entries and rows, or the steps, that it takes in a session. `few`: rows, so that PostgreSQL must be kept from reading all."""
    with database.session() as session:
        if not database.is_sqlite:
            if few:
                session.execute(text("SET LOCAL enable_seqscan = off"))
            before = session.execute(text(_READ)).scalar_one()
            look(session)
            return int(session.execute(text(_READ)).scalar_one() - before)
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 100

        connection: Any = session.connection().connection.driver_connection
        connection.set_progress_handler(count, 100)
        look(session)
        connection.set_progress_handler(None, 0)
        return steps


def looks(since: datetime = due_jobs.FIRST) -> dict[str, Look]:
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


def over_limit(database: Database, worker: int, *, few: bool) -> dict[str, int]:
    """Run every hot statement; return what those have read that have read too much. `worker`: with a valid lease."""
    found = {name: cost(database, look, few=few) for name, look in (looks() | WATCHES).items()}
    found["life"] = cost(database, lambda session: _live(session, worker), few=few)
    if not database.is_sqlite:  # there, direct connections run the same statements with the same plans
        for jobs in (1, 3):
            found |= {f"{name} of {jobs}": read for name, read in _directly(database, worker, jobs).items()}
    return {name: read for name, read in found.items() if read > (MOST_STEPS if database.is_sqlite else MOST_READ)}


def _live(session: Session, worker: int) -> None:
    """A job is submitted with all keys, published, claimed and ended."""
    receipt = submit(session, message(), unique_key="key", idempotency_key="key")
    session.flush()
    job = session.get_one(Job, session.execute(text("SELECT max(seq) FROM jobs")).scalar_one())
    mark_published(session, [due_jobs.take_unpublished(session)[0]] if job.publish_at and job.publish_at <= now() else [])
    claimed = claims.claim(session, worker, [(receipt.id, 1)])
    assert settle(session, _ends(claimed), worker_id=worker, worker="here:1")


class _Meter:
    """Counts the entries and rows that the statements of one direct connection read, by name."""

    def __init__(self, direct: Direct) -> None:
        self.read: dict[str, int] = {}
        self._direct = direct
        self._before = self._total()

    def note(self, name: str, result: Result) -> Result:
        """Note what has been read since the last call, and return the result for which it was."""
        self.read[name] = self._total() - self._before
        self._before = self._total()
        return result

    def _total(self) -> int:
        return int(self._direct.fetch(_READ, {})[0][0])


def _directly(database: Database, worker: int, jobs: int) -> dict[str, int]:
    """Return the entries and rows that the statements of direct connections read, for so many jobs at once."""

    def act(direct: Direct) -> dict[str, int]:
        direct.fetch("BEGIN", {})
        try:
            meter = _Meter(direct)
            ids = []
            for _ in range(jobs):
                written = meter.note("submit_alone", submit_alone(direct, Submission(message())))
                assert written is not None
                ids.append(written[0].id)
                sent.extend([] if written[1] is None else [written[1]])
            mark_published(direct, sent)
            meter.note("mark_published", None)
            claimed = meter.note("claim", claims.claim(direct, worker, [(id, 1) for id in ids]))
            assert len(claimed) == len(sent) == jobs
            meter.note("ending", ending(direct, ids[0]))
            meter.note("note", result_waiters.note(direct, ids[0]))
            meter.note("retake", claims.retake(direct, worker, {(one.seq, one.attempt): one.id for one in claimed}))
            meter.note("leased_to", workers.leased_to(direct, worker, claimed_before=now()))
            assert len(meter.note("settle_alone", settle_alone(direct, _ends(claimed), worker_id=worker, worker="here:1"))) == jobs
            result_waiters.forget(direct, claimed[0].seq)
            meter.note("forget", None)
            meter.note("next_instant", due_jobs.next_instant(direct, until=now() + timedelta(seconds=30)))
            meter.note("mark", activity.mark(direct))
            return meter.read
        finally:
            direct.fetch("ROLLBACK", {})

    sent: list[Envelope] = []
    with envelopes.publisher.replaced(sent.extend):
        return database.direct.read(act)


def _ends(claimed: Sequence[Claimed]) -> list[Finished]:
    present = present_us()
    return [Finished(one.seq, one.id, 1, State.SUCCEEDED, Outcome.SUCCEEDED, present, present, result="1") for one in claimed]
