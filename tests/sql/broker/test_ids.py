"""Ids of jobs sort by time, however a job is made: random ones touch a page of the index for each job of a large table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import dramatiq
import pytest
from dramatiq import Message, Middleware
from dramatiq.middleware import CurrentMessage, SkipMessage
from sqlalchemy import select

from src import wiring
from src.celery import uuid
from src.jobs import State, Submission, submit, submit_many
from src.jobs.core.errors import IdempotencyConflict
from src.jobs.core.models import Job
from src.jobs.workflows import canvas
from src.sql.database import Database, write
from tests.actors.endings import return_values as keep
from tests.harness.attempts import declared
from tests.harness.inline import Inline
from tests.harness.jobs import look

#: ways to make messages, by name
MAKERS: dict[str, Callable[[], list[Message[Any]]]] = {
    "message": lambda: [keep.message(1)],
    "message_with_options": lambda: [keep.message_with_options(args=(1,), priority=3)],
    "pipeline": lambda: list((keep.message(1) | keep.message(2)).messages),
    "group": lambda: list(dramatiq.group([keep.message(1), keep.message(2)]).children),
    "chunks": lambda: [part for part in canvas.chunks(keep, range(4), 2).parts if isinstance(part, Message)],
    "webhook": lambda: [wiring.delivery("1")],
    "failure mail": lambda: [wiring.failure_mail()],
}


def is_by_time(id: str) -> bool:
    return UUID(id).version == 7


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_messages_have_ids_in_the_order_of_time(make: Callable[[], list[Message[Any]]]) -> None:
    found = make()

    assert found
    assert all(is_by_time(message.message_id) for message in found)


def test_ids_of_celerys_kind_do_too() -> None:
    assert is_by_time(uuid())


def test_jobs_that_were_sent_have_them(inline: Inline, database: Database) -> None:
    sent = [keep.send(1), keep.send_with_options(args=(2,), delay=1000)]

    with database.read() as session:
        ids = set(session.execute(select(Job.id)).scalars())
    assert ids == {message.message_id for message in sent}
    assert all(map(is_by_time, ids))


def jobs(database: Database) -> list[Job]:
    with database.read() as session:
        return list(session.execute(select(Job).order_by(Job.seq)).scalars())


def _submit(message: Any) -> None:
    with write() as session:
        submit(session, message)


#: ways to run the message of the running job again
AGAIN: dict[str, Callable[[Any], Any]] = {
    "enqueue": lambda message: dramatiq.get_broker().enqueue(message),
    "later": lambda message: dramatiq.get_broker().enqueue(message, delay=60_000),
    "a copy": lambda message: dramatiq.get_broker().enqueue(message.copy(args=(2,))),
    "submit": _submit,
    "group": lambda message: dramatiq.group([message]).run(),
    "pipeline": lambda message: dramatiq.pipeline([message, keep.message()]).run(),
}


@pytest.mark.both_stores
@pytest.mark.parametrize("transactional", [False, True], ids=["", "transactional"])
@pytest.mark.parametrize("again", AGAIN)
def test_the_message_of_the_running_job_runs_again_as_a_job_of_its_own(
    inline: Inline, database: Database, again: str, transactional: bool
) -> None:
    if transactional and again == "submit":
        pytest.skip("it would wait for its own transaction")

    def work(x: int) -> None:
        AGAIN[again](CurrentMessage.get_current_message())

    with declared(work, transactional=transactional) as worker:
        inline.run(worker.send(1).message_id)

    first, second = jobs(database)
    assert (first.state, second.state) == (State.SUCCEEDED, State.SCHEDULED if again == "later" else State.QUEUED)
    assert (second.args, second.parent_id) == ([2] if again == "a copy" else [1], first.id)
    assert second.options.keys() <= {"pipe_target"}
    assert is_by_time(second.id)


def test_a_message_that_middleware_postpones_runs_later(inline: Inline, database: Database) -> None:
    class Postponing(Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            if message.kwargs.pop("later", False):
                broker.enqueue(message, delay=60_000)
                raise SkipMessage("later")

    inline.broker.add_middleware(own := Postponing())
    try:
        Inline(database).run(keep.send_with_options(args=(1,), kwargs={"later": True}).message_id)
    finally:
        inline.broker.middleware.remove(own)

    first, second = jobs(database)
    assert (first.state, second.state, second.args, second.parent_id) == (State.CANCELLED, State.SCHEDULED, [1], first.id)


@pytest.mark.parametrize("hook", ["after_process_message", "before_ack", "after_ack"])
def test_a_message_that_a_hook_behind_the_attempt_sends_again_becomes_a_new_job(inline: Inline, database: Database, hook: str) -> None:
    def again(self: Any, broker: Any, message: Any, **_: Any) -> None:
        broker.enqueue(message, delay=60_000)

    inline.broker.add_middleware(own := type("Own", (Middleware,), {hook: again})())
    try:
        Inline(database).run(keep.send(1).message_id)
    finally:
        inline.broker.middleware.remove(own)

    assert [(job.state, job.args) for job in jobs(database)] == [(State.SUCCEEDED, [1]), (State.SCHEDULED, [1])]


def test_a_job_that_submits_a_submission_of_its_own_message_is_an_error(inline: Inline, database: Database) -> None:
    def work() -> None:
        with pytest.raises(IdempotencyConflict, match="has this message's id"), write() as session:
            submit_many(session, [Submission(dramatiq.get_broker().get_actor("work").message().copy(message_id=here.message_id))])

    with declared(work) as worker:
        here = worker.send()
        assert inline.run(here.message_id).state is State.SUCCEEDED


@pytest.mark.both_stores
@pytest.mark.parametrize("send", [lambda message: dramatiq.get_broker().enqueue(message), _submit], ids=["enqueue", "submit"])
@pytest.mark.parametrize(
    "other",
    [{"args": (2,)}, {"kwargs": {"x": 2}}, {"options": {"max_retries": 1}}, {"actor_name": "once"}, {"queue_name": "mail"}],
    ids=str,
)
def test_an_id_with_other_work_is_an_error_and_the_same_work_is_a_repetition(
    inline: Inline, database: Database, send: Callable[[Any], Any], other: dict[str, Any]
) -> None:
    message = keep.message(1)
    send(message)
    send(message)
    dramatiq.get_broker().enqueue(message.copy(options={"delay": 1000}))
    inline.run_all()
    send(message)

    with pytest.raises(IdempotencyConflict, match=f"job {message.message_id} .* has this message's id .*: build a new message"):
        send(message.copy(**other))

    assert look(database, message.message_id).args == [1]
    assert len(jobs(database)) == 1


def test_a_message_whose_unique_key_led_to_another_job_may_be_sent_again_until_that_ends(inline: Inline, database: Database) -> None:
    def work(x: int) -> None: ...

    with declared(work, unique=True, unique_by=lambda x: 1) as worker:
        first, second = worker.send(1), worker.send(2)
        worker.broker.enqueue(second)
        assert (second.message_id, len(jobs(database))) == (first.message_id, 1)
        inline.run_all()
        with pytest.raises(IdempotencyConflict, match="build a new message"):
            worker.broker.enqueue(second)


def test_a_group_with_callbacks_that_runs_twice_is_an_error(inline: Inline, database: Database) -> None:
    group = dramatiq.group([keep.message(1)])
    group.run()
    assert len(jobs(database)) == 1
    group.run()
    assert len(jobs(database)) == 1

    group = dramatiq.group([keep.message(2)])
    group.add_completion_callback(keep.message("end"))
    group.run()
    with pytest.raises(IdempotencyConflict, match="build a new message"):
        group.run()


def test_an_actor_class_of_the_application_stays() -> None:
    class Own(dramatiq.Actor[Any, Any]):
        pass

    broker = dramatiq.get_broker()
    own = dramatiq.actor(actor_class=Own, actor_name="own")(lambda: None)
    del broker.actors["own"]

    assert type(own) is Own
