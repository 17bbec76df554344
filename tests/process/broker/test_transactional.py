"""Transactional actors: their writes commit together with the end of the attempt, or not at all."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from src.actors.widgets import Widget
from src.jobs import Outcome, State
from src.jobs.read.queries import find
from tests.actors import broker as actors
from tests.harness.callboard import Callboard
from tests.harness.services import random_name

pytestmark = pytest.mark.both_stores


def widgets(callboard: Callboard, name: str) -> int:
    with callboard.database.read() as session:
        return session.execute(select(func.count()).select_from(Widget).where(Widget.name == name)).scalar_one()


def test_a_success_commits_what_the_actor_wrote(callboard: Callboard) -> None:
    name = random_name("widget")

    job = callboard.until(actors.write_widgets.send([name, name]))

    assert (job.state, job.result, [a.outcome for a in job.attempts]) == (State.SUCCEEDED, 2, [Outcome.SUCCEEDED])
    assert widgets(callboard, name) == 2


def test_a_failed_attempt_leaves_nothing_and_the_next_writes_once(callboard: Callboard) -> None:
    name = random_name("widget")

    job = callboard.until(actors.write_widgets.send([name], fail_at=1))

    assert [a.outcome for a in job.attempts] == [Outcome.FAILED, Outcome.SUCCEEDED]
    assert widgets(callboard, name) == 1


def test_a_failed_commit_fails_the_attempt_with_the_databases_message(callboard: Callboard) -> None:
    job = callboard.until(actors.break_the_transaction.send())

    assert (job.state, [a.outcome for a in job.attempts]) == (State.DEAD, [Outcome.FAILED])
    assert (job.error or "").startswith("IntegrityError")


def test_a_message_sent_inside_is_committed_with_the_actor(callboard: Callboard) -> None:
    name = random_name("widget")

    job = callboard.until(actors.send_and_fail.send(name, True))

    assert widgets(callboard, name) == 1
    assert callboard.until(job.result).result == name


def test_a_message_sent_inside_a_failed_attempt_was_never_submitted(callboard: Callboard) -> None:
    name = random_name("widget")

    job = callboard.until(actors.send_and_fail.send(name, False))

    sent = (job.error or "").removeprefix("ValueError: ")
    assert len(sent) == 36
    with callboard.database.read() as session:
        assert find(session, sent) is None
    assert widgets(callboard, name) == 0


def test_an_actor_that_is_not_transactional_gets_an_error_with_the_cure(callboard: Callboard) -> None:
    job = callboard.until(actors.ask_for_a_session.send())

    assert job.error == "RuntimeError: ask_for_a_session has no session: declare it with @dramatiq.actor(transactional=True)"
