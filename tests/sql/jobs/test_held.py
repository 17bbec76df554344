"""Held jobs: stored with the reason, never run, released when the cause is gone."""

from __future__ import annotations

import pytest

from src.jobs import State
from src.jobs.control.held import Unreadable, hold_foreign, hold_unknown_actors, hold_unreadable, is_keepable, release_known, waits_for
from src.jobs.core.models import Job
from src.jobs.core.states import HeldFor
from src.jobs.read.queries import held
from src.jobs.relay import due_jobs
from src.sql.database import Database
from tests.harness.jobs import claim, hired, in_state, look, message, submitted

pytestmark = pytest.mark.both_stores


def all_held(database: Database) -> list[Job]:
    with database.read() as session:
        return held(session).jobs


def test_a_foreign_message_is_kept_whole_and_not_run(database: Database) -> None:
    foreign = message(1, "ü", actor="add", eta=5, attempt=3, max_retries=2)
    with database.write() as session:
        hold_foreign(session, [("default", foreign)], run=False)

    job = look(database, foreign.message_id)
    assert (job.state, job.held_for, job.args, job.options, job.source) == (
        State.HELD,
        HeldFor.FOREIGN,
        [1, "ü"],
        {"max_retries": 2},
        "broker",
    )
    assert job.reason is not None
    assert "was not submitted here" in job.reason
    assert claim(database, hired(database), job.id) is None


def test_with_run_it_is_queued_and_published_by_the_relay_at_once(database: Database) -> None:
    foreign = message(1)
    with database.write() as session:
        hold_foreign(session, [("default", foreign)], run=True)

    with database.write() as session:
        (envelope,) = due_jobs.take_unpublished(session)
    assert (envelope.id, envelope.attempt) == (foreign.message_id, 1)


def test_a_foreign_copy_of_a_job_that_is_here_changes_nothing(database: Database) -> None:
    id = in_state(database, State.SUCCEEDED)
    with database.write() as session:
        hold_foreign(session, [("default", message("forged", id=id))], run=True)

    job = look(database, id)
    assert (job.state, job.args) == (State.SUCCEEDED, [])


def test_an_unreadable_body_is_listed_with_its_bytes_and_the_problem(database: Database) -> None:
    with database.write() as session:
        hold_unreadable(session, [Unreadable("mail", b"\xff\x00text", "no JSON (…)", False)])

    (job,) = all_held(database)
    assert (job.queue, job.actor, job.body, job.held_for) == ("mail", None, "\\xff\\x00text", HeldFor.UNREADABLE)
    assert job.reason == "not a Dramatiq message: no JSON (…)"


def test_the_same_body_twice_is_two_jobs_but_a_redelivery_is_one(database: Database) -> None:
    with database.write() as session:
        hold_unreadable(session, [Unreadable("mail", b"?", "no JSON", False), Unreadable("mail", b"?", "no JSON", False)])
    with database.write() as session:
        hold_unreadable(session, [Unreadable("mail", b"?", "no JSON", True)])

    assert len(all_held(database)) == 2


def test_a_job_of_an_unknown_actor_waits_for_a_worker_that_has_it(database: Database) -> None:
    id = submitted(database, actor="newer").id
    with database.write() as session:
        hold_unknown_actors(session, [id], "here:1")
    job = look(database, id)
    assert (job.state, job.held_for, job.publish_at) == (State.HELD, HeldFor.UNKNOWN_ACTOR, None)
    assert job.reason == "worker here:1 has no actor named 'newer'. Add its module to src/actors or CALLBOARD_ACTORS."

    with database.write() as session:
        assert not waits_for(session, {"add"})
        assert release_known(session, {"add"}) == 0
        assert waits_for(session, {"add", "newer"})
        assert release_known(session, {"add", "newer"}) == 1

    assert claim(database, hired(database), id) is not None


def test_only_a_queued_job_is_set_aside(database: Database) -> None:
    for state in set(State) - {State.QUEUED, State.HELD}:
        id = in_state(database, state)
        with database.write() as session:
            hold_unknown_actors(session, [id], "here:1")
        assert look(database, id).state is state


def test_a_job_held_for_another_reason_is_not_released_by_a_worker(database: Database) -> None:
    with database.write() as session:
        hold_foreign(session, [("default", message(1))], run=False)
    with database.write() as session:
        assert release_known(session, {"add"}) == 0


def test_a_message_that_cannot_be_a_row_says_why() -> None:
    assert is_keepable(message(1)) is None
    for bad, problem in (
        (message(1, actor=""), "actor_name is not a text of 1 to 255 characters"),
        (message(1, actor="\ud800"), "actor_name is not a text of 1 to 255 characters"),
        (message(1, id="x" * 256), "message_id is not a text of 1 to 255 characters"),
        (message(1, id="a\x00"), "message_id is not a text of 1 to 255 characters"),
        (message(object()), "Object of type object is not JSON serializable"),
    ):
        assert is_keepable(bad) == problem
