"""Ids of jobs sort by time, however a job is made: random ones touch a page of the index for each job of a large table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import dramatiq
import pytest
from dramatiq import Message
from sqlalchemy import select

from src import wiring
from src.celery import uuid
from src.jobs.core.models import Job
from src.jobs.workflows import canvas
from src.sql.database import Database
from tests.actors.endings import return_values as keep
from tests.harness.inline import Inline

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


def test_an_actor_class_of_the_application_stays() -> None:
    class Own(dramatiq.Actor[Any, Any]):
        pass

    broker = dramatiq.get_broker()
    own = dramatiq.actor(actor_class=Own, actor_name="own")(lambda: None)
    del broker.actors["own"]

    assert type(own) is Own
