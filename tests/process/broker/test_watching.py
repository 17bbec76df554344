"""Progress of a running job, and the effect of a cancel on a waiting or running one."""

from __future__ import annotations

from pathlib import Path

from src.jobs import Outcome, State
from src.jobs.control import actions
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.waiting import eventually


def cancel(callboard: Callboard, id: str) -> None:
    with callboard.database.write() as session:
        actions.cancel(session, id)


def test_progress_is_seen_while_the_job_runs(callboard: Callboard, tmp_path: Path) -> None:
    message = actors.make_and_wait.send(str(tmp_path / "made"), str(tmp_path / "go"))

    first = eventually(lambda: callboard.job(message.message_id).progress_done, deadline_s=DEADLINE_S)
    assert first is not None
    eventually(lambda: (callboard.job(message.message_id).progress_done or 0) > first, deadline_s=DEADLINE_S)
    running = callboard.job(message.message_id)
    (tmp_path / "go").touch()

    assert (running.state, running.progress_message) == (State.RUNNING, "waiting")
    assert running.started_at is not None
    assert callboard.until(message).state is State.SUCCEEDED


def test_a_running_job_stops_at_its_next_check_point_when_cancelled(callboard: Callboard, tmp_path: Path) -> None:
    message = actors.make_and_wait.send(str(tmp_path / "made"), str(tmp_path / "never"))
    callboard.wait_for(tmp_path / "made")

    cancel(callboard, message.message_id)

    job = callboard.until(message)
    assert (job.state, job.reason) == (State.CANCELLED, "cancelled while it ran")
    assert [attempt.outcome for attempt in job.attempts] == [Outcome.CANCELLED]


def test_a_job_that_never_looks_ends_as_it_would_have(callboard: Callboard, tmp_path: Path) -> None:
    message = actors.make_and_wait_deaf.send(str(tmp_path / "made"), str(tmp_path / "go"))
    callboard.wait_for(tmp_path / "made")
    cancel(callboard, message.message_id)
    (tmp_path / "go").touch()

    assert callboard.until(message).state is State.SUCCEEDED


def test_a_job_cancelled_while_it_waits_never_starts(quiet: Callboard, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    first, doomed, last = (actors.append.send(str(path), word) for word in ("first", "doomed", "last"))
    eventually(lambda: quiet.job(doomed.message_id).published_at, deadline_s=DEADLINE_S)

    cancel(quiet, doomed.message_id)
    with quiet.working():
        quiet.until(first)
        quiet.until(last)
        eventually(lambda: quiet.messages("default") == 0, deadline_s=DEADLINE_S)

    assert sorted(path.read_text().split()) == ["first", "last"]
    assert quiet.job(doomed.message_id).attempts == []


def test_a_job_cancelled_and_retried_runs_as_its_next_attempt(callboard: Callboard, tmp_path: Path) -> None:
    message = actors.make_and_wait.send(str(tmp_path / "made"), str(tmp_path / "go"))
    callboard.wait_for(tmp_path / "made")
    cancel(callboard, message.message_id)
    callboard.until(message, State.CANCELLED)
    (tmp_path / "go").touch()

    with callboard.database.write() as session:
        actions.retry(session, message.message_id)

    job = callboard.until(message, State.SUCCEEDED)
    assert (job.result, [attempt.outcome for attempt in job.attempts]) == (2, [Outcome.CANCELLED, Outcome.SUCCEEDED])
