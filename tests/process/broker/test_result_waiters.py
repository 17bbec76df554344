"""Waiting for a job's end: on PostgreSQL the commit of the end notifies waiters; a waiter without notification polls."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from dramatiq import Message
from dramatiq.results import ResultFailure
from sqlalchemy import text

from src.broker import get
from src.broker.compat import results
from src.broker.compat.results import Pace
from src.jobs.control import actions
from src.jobs.core.errors import UnknownJob
from src.jobs.finish import result_waiters
from src.jobs.read.queries import Ending
from src.jobs.upkeep import retention
from src.sql.direct import LISTENERS, Direct
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.stores import only_on
from tests.harness.waiting import eventually

#: seconds, longer than any test
NEVER_S = 10 * DEADLINE_S

postgresql = only_on("postgresql", by="served")


@pytest.fixture
def only_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a waiter with a notification polls a second time."""
    monkeypatch.setattr(results, "LISTENING", Pace(NEVER_S, NEVER_S, NEVER_S, 1))


def noted(callboard: Callboard, message: Message[Any]) -> int:
    """Return the number of waiters for this job in SQL, even after its end: other tests of this process have waits of their own."""
    with callboard.database.read() as session:
        return int(
            session.execute(
                text("SELECT count(*) FROM awaited WHERE job_seq = :seq"), {"seq": callboard.job(message.message_id).seq}
            ).scalar_one()
        )


@postgresql
@pytest.mark.usefixtures("only_told")
@pytest.mark.parametrize("length", [3, result_waiters.NOTIFIED_BYTES - 2, result_waiters.NOTIFIED_BYTES - 1])
def test_a_waiter_is_notified_of_a_success_with_its_result(callboard: Callboard, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    note = result_waiters.note

    def look(direct: Direct, id: str) -> Ending | None:
        looks.append(id)
        return note(direct, id)

    monkeypatch.setattr(result_waiters, "note", look)

    message = actors.return_much.send(length, seconds=0.5)
    assert get(message, DEADLINE_S) == "x" * length

    # A result too long for the notification is read by a second query.
    assert len(looks) == (1 if length + 2 <= result_waiters.NOTIFIED_BYTES else 2)
    assert noted(callboard, message) == 0


@postgresql
@pytest.mark.usefixtures("only_told")
def test_a_waiter_is_notified_of_other_ends(callboard: Callboard) -> None:
    failing = actors.fail_after.send(0.5, "wrong word")
    with pytest.raises(ResultFailure, match="wrong word"):
        get(failing, DEADLINE_S)
    # In a commit of its own, together with a row.
    with_a_row = actors.return_much_with_a_row.send(3, seconds=0.5)
    assert get(with_a_row, DEADLINE_S) == "xxx"
    assert (noted(callboard, failing), noted(callboard, with_a_row)) == (0, 0)


@postgresql
def test_an_end_without_a_notification_is_found_by_polling(callboard: Callboard) -> None:
    message = actors.echo.send_with_options(args=(1,), delay=3_600_000)

    def wait() -> None:
        with pytest.raises(ResultFailure):
            get(message, DEADLINE_S)

    waiting = threading.Thread(target=wait)
    waiting.start()
    eventually(lambda: noted(callboard, message) == 1, deadline_s=DEADLINE_S)
    with callboard.database.write() as session:
        actions.cancel(session, message.message_id)
    waiting.join(DEADLINE_S)

    assert not waiting.is_alive()
    assert noted(callboard, message) == 0


@postgresql
def test_a_waiter_that_gave_up_leaves_no_row(callboard: Callboard) -> None:
    message = actors.echo.send_with_options(args=(1,), delay=3_600_000)
    with pytest.raises(TimeoutError):
        get(message, 0.2)
    assert noted(callboard, message) == 0


@postgresql
def test_the_notes_of_who_died_waiting_go_when_their_jobs_have_ended(callboard: Callboard) -> None:
    waiting, ended = actors.echo.send_with_options(args=(1,), delay=3_600_000), actors.echo.send(1)
    job, seqs = callboard.until(ended), []
    for seq in (callboard.job(waiting.message_id).seq, job.seq):
        seqs.append(seq)
        with callboard.database.write() as session:
            session.execute(text("INSERT INTO awaited VALUES (:seq, 'callboard_nobody')"), {"seq": seq})
    with callboard.database.write() as session:
        retention.tidy(session)
    with callboard.database.read() as session:
        assert session.execute(text("SELECT job_seq FROM awaited")).scalars().all() == seqs[:1]
    with callboard.database.write() as session:
        session.execute(text("DELETE FROM awaited"))


@postgresql
def test_a_waiter_whose_connection_dies_waits_on_another(callboard: Callboard) -> None:
    message = actors.return_much.send(3, seconds=2)
    found: list[str] = []
    waiting = threading.Thread(target=lambda: found.append(get(message, DEADLINE_S)))
    waiting.start()
    eventually(lambda: noted(callboard, message) == 1, deadline_s=DEADLINE_S)
    with callboard.database.write() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%INTO awaited%'"
            )
        )
    waiting.join(DEADLINE_S)

    assert found == ["xxx"]


def test_more_threads_may_wait_than_are_notified(callboard: Callboard) -> None:
    found: list[str] = []

    def wait() -> None:
        found.append(get(actors.return_much.send(2, seconds=0.2), DEADLINE_S))

    waiting = [threading.Thread(target=wait) for _ in range(2 * LISTENERS)]
    for one in waiting:
        one.start()
    for one in waiting:
        one.join(DEADLINE_S)

    assert found == ["xx"] * len(waiting)


def test_an_unknown_job_is_an_error_at_once(callboard: Callboard) -> None:
    with pytest.raises(UnknownJob, match="nobody-submitted-this"):
        get("nobody-submitted-this", DEADLINE_S)
