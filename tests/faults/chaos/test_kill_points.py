"""kill -9 between any two steps of a job's path: nothing is lost, no transactional effect is doubled, the record is true.

An ordinary run kills each kind of process (submitter, worker, relay, stopping worker) and interrupts each kind of
write. Steps that leave SQL and RabbitMQ as another one does are left to `--slow`, as is SQLite, except where a process
dies in the middle of a transaction.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from dramatiq import Message
from sqlalchemy import select

from src.jobs import submit_many
from src.jobs.core.models import Attempt, Job
from src.jobs.core.states import Outcome, State
from src.jobs.files import result_files
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import new_id
from src.settings import get_settings
from src.sql.database import Database
from tests.faults.chaos import faults
from tests.harness import fork_server
from tests.harness.fleet import Fleet
from tests.harness.ledger import Account, account
from tests.harness.waiting import eventually

#: jobs of each test: more than the threads, so that some run, some are claimed and some wait when the process dies
JOBS = 12


def slow(*case: str) -> object:
    """Leave a case to `--slow`."""
    return pytest.param(*case, marks=pytest.mark.slow)


# A row without a message, and a message that SQL does not know to be published.
@pytest.mark.parametrize("fault", ["commit | hand-over", slow("hand-over | publish"), slow("publish | confirm"), "confirm | mark"])
def test_a_submitter_killed_after_its_commit_loses_no_job(fault: str, chaos: dict[str, str], database: Database, tmp_path: Path) -> None:
    submitter = fork_server.server().run(
        ["-m", "tests.faults.chaos.submitter", str(JOBS), "leave_a_row"], {**os.environ, faults.NAME: fault}
    )
    assert submitter.returncode == -signal.SIGKILL, submitter.stderr
    with database.read() as session:
        committed = list(session.execute(select(Job.id)).scalars())
    assert committed, "it died before its first commit"

    with Fleet(chaos, tmp_path / "log", workers=1, scheduler=False):
        found = ended(database, committed)

    found.check()
    assert found.states == {"succeeded": len(committed)}
    assert found.attempts == len(committed), "a second copy of a message started a second attempt"


STEPS = [
    "hand-over | publish",
    "publish | confirm",
    "confirm | mark",
    "taken by the relay | publish",
    "delivery | claim",
    "claim | start",
    "actor | commit",
    "end written | commit",
    "commit | ack",
]
# A plain actor's end is committed and acknowledged by one thread: the transactional one meets each of its steps, and one more.
CASES = [*((step, actor) for step in STEPS for actor in ("leave_a_row", "work")), ("commit | hand over of the ack", "leave_a_row")]
ORDINARY = [("taken by the relay | publish", "leave_a_row"), ("delivery | claim", "leave_a_row"), ("commit | ack", "work")]
IN_A_TRANSACTION = ("end written | commit", "leave_a_row")


@pytest.mark.parametrize(
    ("fault", "actor"),
    [
        *ORDINARY,
        pytest.param(*IN_A_TRANSACTION, marks=pytest.mark.both_stores),
        *(slow(*case) for case in CASES if case not in (*ORDINARY, IN_A_TRANSACTION)),
    ],
)
def test_a_worker_killed_between_two_steps_loses_no_job(
    fault: str, actor: str, chaos: dict[str, str], database: Database, tmp_path: Path
) -> None:
    if fault in ("actor | commit", "end written | commit"):
        fault += ", transactional" if actor == "leave_a_row" else ", plain"
    accepted = submitted(database, actor)

    with Fleet({**chaos, faults.NAME: fault}, tmp_path / "log", workers=1, scheduler=False) as fleet:
        found = ended(database, accepted)
        assert struck(chaos), f"nobody came to the place {fault!r}"
        eventually(lambda: fleet.workers()[0].starts > 1, what="the killed worker is started again")

    found.check()
    assert found.states == {"succeeded": JOBS}


def test_a_relay_killed_while_it_gives_jobs_away_loses_no_job(chaos: dict[str, str], database: Database, tmp_path: Path) -> None:
    accepted = submitted(database, "leave_a_row", length_ms=300)

    with Fleet({**chaos, faults.NAME: "given away | commit"}, tmp_path / "log", workers=1, scheduler=True) as fleet:
        eventually(lambda: running(database), deadline_s=20, what="a job runs")
        fleet.kill_with_watchdog(fleet.workers()[0])
        found = ended(database, accepted)
        assert struck(chaos)

    found.check()
    assert found.lost_attempts > 0


@pytest.mark.parametrize("fault", [slow("stop | relay ends"), "stop | jobs given back", slow("jobs given back | end")])
def test_a_worker_killed_while_it_shuts_down_loses_no_job(fault: str, chaos: dict[str, str], database: Database, tmp_path: Path) -> None:
    accepted = submitted(database, "leave_a_row", length_ms=400)

    with Fleet({**chaos, faults.NAME: fault}, tmp_path / "log", workers=1, threads=2, scheduler=False) as fleet:
        eventually(lambda: running(database), deadline_s=20, what="a job runs")
        fleet.ask_to_stop(fleet.workers()[0])
        found = ended(database, accepted)
        assert struck(chaos)

    found.check()
    assert found.states == {"succeeded": JOBS}


def test_a_worker_killed_between_a_results_file_and_its_commit_leaves_an_orphaned_file(
    chaos: dict[str, str], database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBOARD_RESULTS_DIR", str(tmp_path / "results"))
    get_settings.cache_clear()
    accepted = submitted(database, "say_much")

    with Fleet({**chaos, faults.NAME: "result's file | commit"}, tmp_path / "log", workers=1, scheduler=False):
        found = ended(database, accepted)
        assert struck(chaos)

    found.check()
    with database.read() as session:
        files = {row.id: row.result_file for row in session.execute(select(Job.id, Job.result_file))}
        left = [name for names in result_files.kept() for name in result_files.unnamed(session, names)]
    assert all(name is not None and json.loads(result_files.read(name)) == id * 10_000 for id, name in files.items())
    assert left, "the killed one had written a file"
    result_files.delete(left)
    assert sorted(name for names in result_files.kept() for name in names) == sorted(str(name) for name in files.values())


@pytest.mark.parametrize(
    ("answer", "actor"),
    [
        ("answer to the claim's commit lost", "leave_a_row"),
        slow("answer to the claim's commit lost", "work"),
        ("answer to the end's commit lost", "work"),
        ("answer to the transaction's commit lost", "leave_a_row"),
        ("answer to the relay's commit lost", "work"),
        slow("answer to the relay's commit lost", "leave_a_row"),
    ],
)
def test_a_commit_whose_answer_is_lost_loses_no_job(
    answer: str, actor: str, chaos: dict[str, str], database: Database, tmp_path: Path
) -> None:
    accepted = submitted(database, actor)

    with Fleet({**chaos, faults.NAME: answer}, tmp_path / "log", workers=1, scheduler=False):
        found = ended(database, accepted)
        assert struck(chaos)

    found.check()
    assert found.states == {"succeeded": JOBS}


def test_a_lost_attempt_is_recorded_with_its_worker_and_the_next_number(chaos: dict[str, str], database: Database, tmp_path: Path) -> None:
    [id] = submitted(database, "leave_a_row", count=1)

    with Fleet({**chaos, faults.NAME: "claim | start"}, tmp_path / "log", workers=1, scheduler=False):
        ended(database, [id]).check()

    with database.read() as session:
        attempts = session.execute(select(Attempt).order_by(Attempt.number)).scalars().all()
    assert [(attempt.number, attempt.outcome) for attempt in attempts] == [(1, Outcome.LOST), (2, Outcome.SUCCEEDED)]
    assert attempts[0].error is not None
    assert attempts[0].worker in attempts[0].error


def submitted(database: Database, actor: str, *, count: int = JOBS, length_ms: int = 5) -> list[str]:
    """Rows only: this process has no publisher, so the worker's relay brings them to RabbitMQ."""
    args = () if actor == "stumble_once" else (length_ms,)
    with database.write() as session:
        messages: list[Message[object]] = [
            Message(queue_name="chaos", actor_name=actor, args=args, kwargs={}, options={}, message_id=new_id()) for _ in range(count)
        ]
        return [receipt.id for receipt in submit_many(session, [Submission(message) for message in messages])]


def ended(database: Database, accepted: list[str], *, deadline_s: float = 40.0) -> Account:
    """The account once every job is final; what is not final by then is in it."""
    with suppress(AssertionError):  # the account says which jobs did not end
        eventually(lambda: not unfinished(database), deadline_s=deadline_s, interval_s=0.1)
    return account(database, accepted)


def unfinished(database: Database) -> int:
    with database.read() as session:
        states = session.execute(select(Job.state)).scalars().all()
    return sum(not state.is_final for state in states)


def running(database: Database) -> int:
    with database.read() as session:
        states = session.execute(select(Job.state)).scalars().all()
    return sum(state is State.RUNNING for state in states)


def struck(chaos: dict[str, str]) -> bool:
    """True if the fault has happened."""
    return Path(chaos[faults.STRUCK]).exists()
