"""A process's publisher survives internal errors, and publishes everything that a short command handed over."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest
from dramatiq import Message
from sqlalchemy import func, select

from src.broker.publish.frame_writer import JoiningConnection, Outgoing
from src.broker.publish.publisher import Publisher
from src.jobs import submit
from src.jobs.core import envelopes
from src.jobs.core.models import Job
from src.jobs.submit.submission import new_id
from src.sql.database import Database
from tests.harness import fork_server
from tests.harness.waiting import eventually

pytestmark = pytest.mark.both_stores


def test_a_command_that_ends_at_once_has_published_what_it_submitted(chaos: dict[str, str], database: Database) -> None:
    done = fork_server.server().run(["-m", "tests.faults.chaos.submitter", "5", "work"], {**os.environ, **chaos})
    assert done.returncode == 0, done.stderr

    assert published(database) == 5


def test_the_publisher_goes_on_after_an_unforeseen_error(
    chaos: dict[str, str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = JoiningConnection.publish
    failed: list[Outgoing] = []

    def fail_once(connection: JoiningConnection, channel: Any, messages: Sequence[Outgoing]) -> None:
        if not failed:
            failed.extend(messages)
            raise RuntimeError("nobody has thought of this")
        stock(connection, channel, messages)

    monkeypatch.setattr(JoiningConnection, "publish", fail_once)
    publisher = Publisher()
    monkeypatch.setattr(envelopes.publisher, "_part", publisher.hand_off)
    try:
        submitted(database)
        eventually(lambda: failed, what="the error has happened")
        submitted(database)
        # A new connection may take pika's ten seconds for its handshake, and then its pause, before the next one.
        eventually(lambda: published(database) == 2, deadline_s=40.0, what="the second job is published, and the first again")
    finally:
        publisher.close()


def submitted(database: Database) -> None:
    with database.write() as session:
        message: Message[Any] = Message(queue_name="chaos", actor_name="work", args=(1,), kwargs={}, options={}, message_id=new_id())
        submit(session, message)


def published(database: Database) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(Job).where(Job.published_at.is_not(None))).scalar_one()
