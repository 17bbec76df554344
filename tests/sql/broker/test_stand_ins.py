"""A unique job in a pipeline or a group: follow-ups continue from the job that holds the key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from dramatiq import group, pipeline
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from src.broker import JobFailure, get, state
from src.jobs.control import actions, edits
from src.jobs.control.edits import Edit
from src.jobs.core.errors import NotAllowed, UnknownJob
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.jobs.relay import due_jobs
from src.jobs.submit import reruns
from src.sql.clock import now
from src.sql.database import Database
from tests.actors.endings import once
from tests.actors.endings import return_values as keep
from tests.harness.inline import Inline
from tests.harness.jobs import StillClock, look


def test_send_returns_the_message_of_the_job_that_holds_the_key(inline: Inline) -> None:
    first, second = once.send(1), once.send(1)

    inline.run_all()

    assert second.message_id == first.message_id
    assert second.get_result() == "once 1"


def test_a_pipeline_goes_on_with_the_result_of_the_job_that_does_its_work(inline: Inline, database: Database) -> None:
    elsewhere = once.send("once 1")
    steps = pipeline([once.message(1), once.message(), keep.message("last")]).run()  # type: ignore[call-arg]
    inline.run(steps.messages[0].message_id)
    waiting = look(database, steps.messages[1].message_id)
    assert (waiting.state, waiting.unique_key) == (State.SCHEDULED, None)
    assert elsewhere.message_id in (waiting.reason or "")

    inline.run_all()

    assert steps.get_results() is not None
    assert steps.get_result() == ["last", "once once 1"]
    assert look(database, steps.messages[1].message_id).attempt == 1


def test_the_first_step_of_a_pipeline_too(inline: Inline) -> None:
    once.send(1)
    steps = (once.message(1) | keep.message()).run()

    inline.run_all()

    assert steps.get_result() == ["once 1"]


@pytest.mark.parametrize("way", ["fails", "is cancelled", "is deleted"])
def test_a_pipeline_ends_visibly_where_that_job_does_not_succeed(inline: Inline, database: Database, way: str) -> None:
    elsewhere = once.send("fail")
    steps = (once.message("fail") | keep.message()).run()
    if way == "is cancelled":
        with database.write() as session:
            actions.cancel(session, elsewhere.message_id)
    if way == "is deleted":
        with database.write() as session:
            session.execute(delete(Job).where(Job.id == elsewhere.message_id))

    inline.run_all()

    with pytest.raises(JobFailure) as failed:
        steps.messages[0].get_result()
    assert failed.value.state is State.DEAD
    assert elsewhere.message_id in str(failed.value)


def test_a_group_calls_back_when_the_job_that_does_a_members_work_has_succeeded(inline: Inline, database: Database) -> None:
    elsewhere = once.send(1)
    members, callback = group([once.message(1), keep.message(2)]), keep.message("called back")
    members.add_completion_callback(callback)
    members.run()
    with database.read() as session:
        inline.run(session.execute(select(Job.id).where(Job.actor == "return_values")).scalar_one())
    with pytest.raises(UnknownJob):
        state(callback)

    inline.run(elsewhere.message_id)
    inline.run_all()

    assert get(callback.message_id) == ["called back"]


@pytest.mark.both_stores
def test_a_completion_callback_that_is_unique_gets_the_result_of_the_one_under_way(inline: Inline, time: StillClock) -> None:
    members, callback = group([keep.message(1)]), once.message("done")
    members.add_completion_callback(callback)
    once.send_with_options(args=("done",), delay=60_000)
    members.run()
    inline.run_all()
    assert state(callback) is State.SCHEDULED

    time.forward(61)
    inline.process._heartbeat()
    inline.run_all()

    assert get(callback.message_id) == "once done"


def test_a_group_without_callbacks_finds_its_results(inline: Inline) -> None:
    once.send(1)
    members = group([once.message(1), once.message(2)]).run()

    inline.run_all()

    assert list(members.get_results()) == ["once 1", "once 2"]


def test_a_rerun_of_a_stand_in_runs_itself_and_one_that_expires_says_so(inline: Inline, database: Database, time: StillClock) -> None:
    once.send_with_options(args=(1,), delay=60_000)
    first = (once.message(1) | keep.message()).run().messages[0].message_id
    late = (once.message_with_options(args=(1,), expires=1_000) | keep.message()).run().messages[0].message_id
    time.forward(2)
    with database.write() as session:
        assert due_jobs.expire(session) == 1
        actions.cancel(session, first)
        assert "stands_in" not in look(database, reruns.again(session, first, by=None).id).options

    assert look(database, late).state is State.EXPIRED


def test_a_rerun_of_a_member_does_not_count_for_its_group(inline: Inline, database: Database) -> None:
    members, callback = group([keep.message(1), keep.message(2)]), keep.message("called back")
    members.add_completion_callback(callback)
    members.run()
    with database.read() as session:
        ids = list(session.execute(select(Job.id).order_by(Job.seq)).scalars())
    inline.run(ids[0])
    with database.write() as session:
        again = reruns.again(session, ids[0], by="ada")
    inline.run(again.id)

    with pytest.raises(UnknownJob):
        state(callback)
    inline.run(ids[1])
    assert state(callback) is State.QUEUED


EARLY: dict[str, Callable[[Session, str], object]] = {
    "run now": actions.run_now,
    "cancel and retry": actions.retry,
    "start later": lambda session, id: edits.edit(session, id, Edit(due_at=now() + timedelta(hours=1))),
    "other arguments": lambda session, id: edits.edit(session, id, Edit(args=[2], kwargs={})),
}


@pytest.mark.parametrize("way", EARLY)
def test_a_job_that_takes_the_result_of_another_is_not_started_before_that_has_ended(inline: Inline, database: Database, way: str) -> None:
    """Started early, it was dead: "job …, which did its work, is queued"."""
    elsewhere = once.send(1)
    steps = (once.message(1) | keep.message()).run()
    id = steps.messages[0].message_id
    if way == "cancel and retry":
        with database.write() as session:
            actions.cancel(session, id)

    why = f"job {elsewhere.message_id} of the same key does its work and is queued"
    with database.write() as session, pytest.raises(NotAllowed, match=why):
        EARLY[way](session, id)
    inline.run_all()
    if way == "cancel and retry":
        with database.write() as session:
            actions.retry(session, id)
        inline.run_all()

    assert steps.get_result() == ["once 1"]
