"""Job actions in each state, and the error where one is not allowed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from src.jobs import State
from src.jobs.control import actions
from src.jobs.control.held import Unreadable, hold_unreadable
from src.jobs.core.envelopes import Envelope
from src.jobs.core.errors import NotAllowed, UnknownJob
from src.jobs.core.models import Job
from src.jobs.read.queries import held
from src.sql.database import Database
from tests.harness.jobs import claim, claimed, ended, hired, in_state, look, settle, submitted

Verb = Callable[[Session, str], Job]

#: verb -> state it applies to -> state the job is in afterwards
ALLOWED: dict[Verb, dict[State, State]] = {
    actions.cancel: {
        State.SCHEDULED: State.CANCELLED,
        State.QUEUED: State.CANCELLED,
        State.RETRYING: State.CANCELLED,
        State.HELD: State.CANCELLED,
        State.RUNNING: State.RUNNING,
        State.CANCELLED: State.CANCELLED,
    },
    actions.retry: {
        State.DEAD: State.QUEUED,
        State.CANCELLED: State.QUEUED,
        State.EXPIRED: State.QUEUED,
        State.RETRYING: State.QUEUED,
    },
    actions.run_now: {State.SCHEDULED: State.QUEUED, State.RETRYING: State.QUEUED},
    actions.release: {State.HELD: State.QUEUED},
    actions.discard: {State.HELD: State.CANCELLED},
}
VERBS = list(ALLOWED)


def do(database: Database, verb: Verb, id: str) -> Job:
    with database.write() as session:
        return verb(session, id)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_a_verb_moves_the_states_it_is_for_and_refuses_the_others_by_name(database: Database, verb: Verb) -> None:
    for state in State:
        id = in_state(database, state)
        if state in ALLOWED[verb]:
            returned = do(database, verb, id)
            assert returned.state is look(database, id).state is ALLOWED[verb][state], state
        else:
            with pytest.raises(NotAllowed, match=f"the job is {state}: only "):
                do(database, verb, id)
            assert look(database, id).state is state


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_a_job_that_is_not_there_is_unknown(database: Database, verb: Verb) -> None:
    with pytest.raises(UnknownJob, match="There is no job nowhere") as refused:
        do(database, verb, "nowhere")

    assert refused.value.field == "id"


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED, State.RETRYING, State.HELD])
def test_a_waiting_job_that_is_cancelled_never_starts(database: Database, state: State) -> None:
    id = in_state(database, state)

    job = do(database, actions.cancel, id)

    assert (job.reason, job.publish_at, job.due_at, job.held_for) == ("cancelled while it waited", None, None, None)
    assert job.finished_at is not None
    worker = hired(database)
    assert [claim(database, worker, id, attempt) for attempt in (1, 2)] == [None, None]


def test_a_running_job_is_asked_to_stop(database: Database) -> None:
    one = claimed(database, hired(database))

    assert do(database, actions.cancel, one.id).cancel_requested
    assert do(database, actions.cancel, one.id).cancel_requested


def test_a_retried_job_starts_afresh_but_its_attempts_go_on_counting(database: Database, published: list[Envelope]) -> None:
    worker = hired(database)
    one = claimed(database, worker)
    do(database, actions.cancel, one.id)
    settle(database, worker, ended(one, State.DEAD, error="ValueError", reason="no retries", failures=1))

    job = do(database, actions.retry, one.id)

    assert (job.failures, job.crashes, job.cancel_requested, job.finished_at, job.reason, job.attempt) == (0, 0, False, None, None, 1)
    assert job.earlier_attempts == 1
    assert [(e.id, e.attempt) for e in published[1:]] == [(one.id, 2)]
    again = claim(database, worker, one.id, 2)
    assert again is not None
    settle(database, worker, ended(again))
    assert [attempt.number for attempt in look(database, one.id).attempts] == [1, 2]


def test_an_expired_job_that_is_retried_does_not_expire_again(database: Database) -> None:
    id = in_state(database, State.EXPIRED)

    do(database, actions.retry, id)

    assert claim(database, hired(database), id) is not None


def test_a_verb_that_is_rolled_back_publishes_nothing(database: Database, published: list[Envelope]) -> None:
    id = in_state(database, State.CANCELLED)
    published.clear()

    session = database.session()
    actions.retry(session, id)
    session.rollback()
    session.close()

    assert published == []
    assert look(database, id).state is State.CANCELLED


@pytest.mark.both_stores
@pytest.mark.parametrize("state", [State.DEAD, State.CANCELLED, State.EXPIRED])
def test_a_retry_is_refused_while_another_job_has_its_unique_key(database: Database, state: State) -> None:
    id = in_state(database, state, unique_key="report")
    other = submitted(database, unique_key="report").id

    with database.write() as session, pytest.raises(NotAllowed, match=f"unique key.*{other}"):
        actions.retry(session, id)

    assert look(database, id).state is state
    do(database, actions.cancel, other)
    assert do(database, actions.retry, id).state is State.QUEUED


def test_an_undecodable_message_can_only_be_discarded(database: Database) -> None:
    with database.write() as session:
        hold_unreadable(session, [Unreadable("default", b"?", "no JSON", False)])
    with database.read() as session:
        (job,) = held(session).jobs

    with pytest.raises(NotAllowed, match="discard it"):
        do(database, actions.release, job.id)

    assert do(database, actions.discard, job.id).reason == "discarded"


@pytest.mark.both_stores
def test_a_released_job_is_queued_for_the_attempt_it_had_not_used(database: Database, published: list[Envelope]) -> None:
    id = in_state(database, State.HELD)
    published.clear()

    job = do(database, actions.release, id)

    assert (job.reason, job.held_for) == (None, None)
    assert [(envelope.id, envelope.attempt) for envelope in published] == [(id, 1)]
