"""Many threads submit at once: they share transactions, and errors affect only their own submission."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from dramatiq import Message
from sqlalchemy import event, func, select

from src import audit
from src.broker.publish.group_commit import GroupCommit
from src.jobs import Submission
from src.jobs.core.errors import JobsError
from src.jobs.core.models import Job
from src.jobs.submit.submission import new_id
from src.sql.database import Database
from tests.harness.stores import only_on
from tests.harness.waiting import eventually

pytestmark = pytest.mark.both_stores

THREADS = 12


class Struck(BaseException):
    """Exception that a time limit raises in a thread."""


def submission(priority: int = 5, key: str | None = None) -> Submission:
    message: Message[Any] = Message(queue_name="gathering", actor_name="nobody", args=(), kwargs={}, options={}, message_id=new_id())
    return Submission(message, priority=priority, idempotency_key=key)


def stored(database: Database) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(Job)).scalar_one()


def gathered(gathering: GroupCommit, database: Database, wanted: list[Submission]) -> list[Any]:
    """Return each submission's answer, when all of them arrive while the first waits for the write lock."""

    def answer(one: Submission) -> Any:
        try:
            return gathering.submit(one)
        except (JobsError, Struck) as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        with database.write() as session:
            session.execute(select(Job)).all()
            answers = [pool.submit(answer, wanted[0])]
            eventually(lambda: gathering._is_led or answers[0].done(), what="the first one leads, or has led")
            answers += [pool.submit(answer, one) for one in wanted[1:]]
            if database.is_sqlite:  # PostgreSQL has no lock to wait for, so there some go ahead
                eventually(
                    lambda: len(gathering._waiting) + sum(answer.done() for answer in answers) == len(wanted),
                    what="all of them wait, but who was struck",
                )
        return [answer.result(timeout=60) for answer in answers]


@pytest.fixture
def gathering() -> GroupCommit:
    return GroupCommit()


def test_those_that_wait_are_written_in_one_transaction(gathering: GroupCommit, database: Database) -> None:
    commits: list[object] = []
    event.listen(database.engine, "commit", commits.append)

    receipts = gathered(gathering, database, [submission() for _ in range(THREADS)])

    assert all(receipt.created for receipt in receipts)
    assert len({receipt.id for receipt in receipts}) == stored(database) == THREADS
    if database.is_sqlite:
        assert len(commits) == 2  # the one that held the lock, and theirs; the first went ahead of them the direct way


@only_on("postgresql")  # a SQLite connection cannot be ended by another process
def test_a_single_submission_survives_a_dead_connection(gathering: GroupCommit, database: Database) -> None:
    gathering.submit(submission())
    with psycopg.connect(database.url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )

    assert gathering.submit(submission()).created

    assert stored(database) == 2


def test_an_invalid_submission_raises_for_its_own_caller_only(gathering: GroupCommit, database: Database) -> None:
    answers = gathered(gathering, database, [submission(priority=11 if number == 3 else 5) for number in range(THREADS)])

    assert [number for number, answer in enumerate(answers) if isinstance(answer, JobsError)] == [3]
    assert stored(database) == THREADS - 1
    assert gathering.submit(submission()).created


def test_one_idempotency_key_gives_one_job(gathering: GroupCommit, database: Database) -> None:
    receipts = gathered(gathering, database, [submission(key="the same") for _ in range(THREADS)])

    assert sum(receipt.created for receipt in receipts) == stored(database) == 1
    assert len({receipt.id for receipt in receipts}) == 1


def test_a_period_and_an_idempotency_key_of_an_earlier_job_give_it_or_one_new_job(gathering: GroupCommit, database: Database) -> None:
    period = timedelta(hours=1)
    earlier = gathering.submit(submission(key="the same"))
    wanted = [replace(submission(key=None if number % 2 else "the same"), unique_key="u", unique_for=period) for number in range(THREADS)]

    receipts = gathered(gathering, database, wanted)

    assert sum(receipt.created for receipt in receipts) == 1
    with database.read() as session:
        ids = set(session.execute(select(Job.id)).scalars())
    assert {receipt.id for receipt in receipts} | {earlier.id} == ids
    assert len(ids) == 2


def test_a_leader_struck_in_the_middle_leaves_the_others_a_leader(
    gathering: GroupCommit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = gathering._first
    strikes = [1]

    def be_struck() -> Any:
        batch = first()
        if strikes:
            strikes.pop()
            raise Struck
        return batch

    monkeypatch.setattr(gathering, "_first", be_struck)
    answers = gathered(gathering, database, [submission() for _ in range(4)])

    assert sum(isinstance(answer, Struck) for answer in answers) == 1
    assert stored(database) == 3


def test_everybodys_submission_has_its_own_line_in_the_audit(database: Database, gathering: GroupCommit) -> None:
    def answer(number: int) -> str:
        audit.begin(audit.PendingEntry(f"person {number}", audit.Via.API, "job.submit", kind="job"))
        return gathering.submit(submission()).id

    with ThreadPoolExecutor(THREADS) as pool:
        with database.write() as session:
            session.execute(select(Job)).all()
            answers = [pool.submit(answer, number) for number in range(THREADS)]
            if database.is_sqlite:
                eventually(lambda: len(gathering._waiting) == THREADS, what="all of them wait")
        ids = {f"person {number}": each.result(timeout=60) for number, each in enumerate(answers)}

    with database.read() as session:
        lines = session.execute(select(audit.AuditEntry.who, audit.AuditEntry.subject)).all()
    assert {line.who: line.subject for line in lines} == ids
    assert len(lines) == THREADS
