"""A queue's fair window is refilled by every action that makes room in it, and keeps no room for jobs that have ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter

import pytest
from sqlalchemy import func, select

from src.broker.recover.relay import Relay
from src.jobs import State, submit, submit_many
from src.jobs.control import actions, edits, held, workflows
from src.jobs.control.edits import Edit
from src.jobs.core.models import Job
from src.jobs.leases import claims, workers
from src.jobs.limits import fair_queueing
from src.jobs.limits.policies import Policy
from src.jobs.relay import due_jobs
from src.jobs.submit.requests import Submission
from src.jobs.workflows.canvas import Workflow
from src.migrations import migrate
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, hired, look, message, submitted
from tests.harness.services import Postgres, random_name
from tests.harness.stores import only_on, using

pytestmark = pytest.mark.both_stores

WINDOW = fair_queueing.LEAST_WINDOW


def states(database: Database) -> dict[str, int]:
    with database.read() as session:
        return {state.value: number for state, number in session.execute(select(Job.state, func.count()).group_by(Job.state))}


def full(database: Database, *, behind: int = 8) -> list[str]:
    """The ids of as many jobs of one fair key as the window takes; `behind` more wait."""
    with database.write() as session:
        many = submit_many(session, [Submission(message(n), fair_key="one") for n in range(WINDOW + behind)])
    assert states(database) == {"queued": WINDOW} | ({"scheduled": behind} if behind else {})
    return [receipt.id for receipt in many[:WINDOW]]


def cancelled(database: Database, ids: list[str], time: StillClock) -> None:
    for id in ids:
        with database.write() as session:
            actions.cancel(session, id)


def expired(database: Database, ids: list[str], time: StillClock) -> None:
    with database.write() as session:
        for id in ids:
            edits.edit(session, id, Edit(expires_at=now() + timedelta(seconds=1)))
    time.forward(2)
    with database.write() as session:
        assert due_jobs.expire(session) == len(ids)


def postponed(database: Database, ids: list[str], time: StillClock) -> None:
    for id in ids:
        with database.write() as session:
            edits.edit(session, id, Edit(due_at=now() + timedelta(hours=1)))


def set_aside(database: Database, ids: list[str], time: StillClock) -> None:
    with database.write() as session:
        held.hold_unknown_actors(session, ids, "here:1")


def deferred(database: Database, ids: list[str], time: StillClock) -> None:
    """Their actor's breaker, or a limit, makes them wait after they were claimed."""
    worker = hired(database)
    with database.write() as session:
        found = claims.claim(session, worker, [(id, 1) for id in ids])
        assert claims.admit(session, found, {"add": Policy(concurrency=1)}) == [min(found, key=attrgetter("seq"))._replace(has_slots=True)]


def lost(database: Database, ids: list[str], time: StillClock, *, crashes: int = 3) -> None:
    for attempt in range(1, crashes + 1):
        worker = hired(database)
        for id in ids:
            assert claim(database, worker, id, attempt)
        time.forward(60)
        with database.write() as session:
            assert workers.take_over(session) == len(ids)


def handed_back(database: Database, ids: list[str], time: StillClock) -> None:
    """A worker hands back the jobs it has not started, and those an operator has cancelled meanwhile."""
    worker = hired(database)
    held = [claim(database, worker, id) for id in ids]
    for id in ids:
        with database.write() as session:
            actions.cancel(session, id)
    with database.write() as session:
        assert claims.give_back(session, worker, [(one.seq, one.attempt) for one in held if one]) == len(ids)


@pytest.mark.parametrize("leave", [cancelled, expired, postponed, set_aside, deferred, lost, handed_back], ids=lambda leave: leave.__name__)
def test_every_way_out_of_the_window_lets_the_next_jobs_in(
    database: Database, time: StillClock, leave: Callable[[Database, list[str], StillClock], None]
) -> None:
    ids = full(database)

    leave(database, ids, time)

    with database.read() as session:
        waiting = session.execute(select(func.count()).where(Job.waits_for.startswith(fair_queueing.FAIR))).scalar_one()
    assert waiting == 0


def test_a_cancelled_workflow_lets_fair_jobs_in(database: Database) -> None:
    workflow = Workflow("fair")
    for number in range(WINDOW):
        workflow.step(message(number), fair_key="one")
    with database.write() as session:
        receipt = workflow.submit(session)
    behind = submitted(database, fair_key="two").id
    assert look(database, behind).state is State.SCHEDULED

    with database.write() as session:
        workflows.cancel(session, receipt.id)

    assert look(database, behind).state is State.QUEUED


def test_room_is_not_kept_for_keys_whose_jobs_are_gone(database: Database, time: StillClock) -> None:
    """A key of which all jobs were cancelled or have expired while they waited once took the room of the others."""
    ids = full(database, behind=0)
    with database.write() as session:
        gone = [submit(session, message(n), fair_key=f"a {n}").id for n in range(3)]
        submit(session, message(), fair_key="b", expires_at=now() + timedelta(seconds=1))
        last = submit(session, message(), fair_key="c").id
    cancelled(database, gone, time)
    time.forward(2)  # that of b has expired, but no relay has looked

    cancelled(database, ids[:1], time)

    assert look(database, last).state is State.QUEUED


def test_jobs_committed_after_the_window_emptied_are_released_by_the_relay(database: Database) -> None:
    """On PostgreSQL, who makes room does not see the jobs of a transaction that is still open."""
    if database.is_sqlite:
        late = _written_unseen(database)
    else:
        ids = full(database, behind=0)
        with database.write() as long:
            late = submit(long, message(), fair_key="one").id
            for id in ids:
                with database.write() as session:
                    actions.cancel(session, id)
    assert look(database, late).state is State.SCHEDULED

    Relay().watch()

    assert look(database, late).state is State.QUEUED


def _written_unseen(database: Database) -> str:
    """SQLite has one writer: the row is what an earlier version of this house has left behind."""
    ids = full(database, behind=0)
    late = submitted(database, fair_key="one").id
    with database.write() as session:
        session.execute(Job.__table__.delete().where(Job.id.in_(ids)))  # type: ignore[attr-defined]
    return late


@only_on("postgresql")
def test_fair_jobs_are_found_whatever_the_locale_of_the_database(
    database: Database, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the locales that PostgreSQL is installed with, a semicolon sorts before a colon: no fair job was ever found."""
    name = random_name("locale")
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    migrate(postgres.url(name))
    english = Database(postgres.url(name))
    try:
        with using(english, monkeypatch):
            assert look(english, submitted(english, fair_key="one").id).state is State.QUEUED
    finally:
        english.engine.dispose()
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
