"""Dead letters return to the queue they came from, without loss."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
from sqlalchemy import select

from src.audit import AuditEntry
from src.broker.core import topology
from src.broker.recover import dead_letter_contents as contents
from src.broker.recover import dead_letters
from src.broker.recover.dead_letters import BrokerAway, Requeued
from src.settings import get_settings
from tests.harness.waiting import eventually
from tests.sql.cli.conftest import Terminal

QUEUE = "parcels"


@pytest.fixture
def channel(vhost: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    monkeypatch.setenv("CALLBOARD_BROKER_URL", vhost)
    get_settings.cache_clear()
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection, connection.channel() as opened:
        yield opened
    monkeypatch.undo()
    get_settings.cache_clear()


def refuse(channel: pika.adapters.blocking_connection.BlockingChannel, queue: str, body: bytes, **properties: object) -> None:
    """Publish a message and refuse it, so that RabbitMQ makes it a dead letter."""
    channel.basic_publish("", queue, body, pika.BasicProperties(**properties))
    found = eventually(lambda: (got := channel.basic_get(queue))[0] and got, what="it has arrived")
    channel.basic_reject(found[0].delivery_tag, requeue=False)


def test_each_goes_back_to_its_own_queue_as_it_was(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    topology.declare(channel, QUEUE)
    for route in topology.queues_of(QUEUE):
        refuse(channel, route, route.encode(), headers={"of": route}, message_id=route, priority=5)
    letters = topology.dead_letter_queue(QUEUE)
    eventually(lambda: channel.queue_declare(letters, passive=True).method.message_count == 3, what="three dead letters")

    assert dead_letters.requeue(QUEUE, limit=2) == Requeued(2, 1)
    assert dead_letters.requeue(QUEUE) == Requeued(1, 0)

    for route in topology.queues_of(QUEUE):
        _, properties, body = channel.basic_get(route)
        assert (body, properties.headers["of"], properties.message_id) == (route.encode(), route, route)
        assert "x-death" not in properties.headers


def test_what_somebody_put_there_goes_where_its_priority_belongs(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    topology.declare(channel, QUEUE)
    channel.confirm_delivery()
    channel.basic_publish("", topology.dead_letter_queue(QUEUE), b"urgent", pika.BasicProperties(priority=9, expiration="900000"))

    assert dead_letters.requeue(QUEUE) == Requeued(1, 0)

    _, properties, body = channel.basic_get(QUEUE + topology.HIGH)
    assert (body, properties.expiration) == (b"urgent", None)


def test_a_queue_without_dead_letters_has_none(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    assert dead_letters.requeue("nobody_used") == Requeued(0, 0)


def test_letters_of_a_queue_that_is_gone_stay(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    letters = topology.dead_letter_queue(QUEUE)
    channel.queue_declare(letters, durable=True, arguments=topology.dead_letter_arguments())
    channel.confirm_delivery()
    channel.basic_publish("", letters, b"homeless")

    with pytest.raises(BrokerAway, match="Start a worker"):
        dead_letters.requeue(QUEUE)

    eventually(lambda: channel.queue_declare(letters, passive=True).method.message_count == 1, what="it is a dead letter again")


def test_letters_go_back_to_a_queue_of_other_arguments(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    for name in topology.queues_of(QUEUE):
        channel.queue_declare(name, durable=True, arguments={**topology.queue_arguments(QUEUE), "x-dead-letter-strategy": "at-least-once"})
    channel.queue_declare(topology.dead_letter_queue(QUEUE), durable=True, arguments=topology.dead_letter_arguments())
    channel.confirm_delivery()
    channel.basic_publish("", topology.dead_letter_queue(QUEUE), b"old")

    assert dead_letters.requeue(QUEUE) == Requeued(1, 0)


def test_an_unreachable_broker_is_reported_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_BROKER_URL", "amqp://guest:guest@127.0.0.1:9/")
    get_settings.cache_clear()
    try:
        with pytest.raises(BrokerAway, match="run status"):
            dead_letters.requeue(QUEUE)
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


def put(channel: pika.adapters.blocking_connection.BlockingChannel, *numbers: int, queue: str = QUEUE) -> None:
    """Publish messages to the dead-letter queue."""
    topology.declare(channel, queue)
    channel.confirm_delivery()
    for number in numbers:
        body = {"queue_name": queue, "actor_name": "add", "args": [number], "kwargs": {}, "options": {}, "message_id": f"n{number}"}
        channel.basic_publish(
            "", topology.dead_letter_queue(queue), json.dumps(body).encode(), pika.BasicProperties(message_id=f"n{number}")
        )


def numbers() -> list[int]:
    return [letter.args[0] for letter in contents.peek(QUEUE, limit=3)]


def test_a_look_changes_neither_the_order_nor_the_messages_however_often(
    channel: pika.adapters.blocking_connection.BlockingChannel,
) -> None:
    put(channel, *range(5))
    looks = contents.RENEWED_AFTER + 10  # RabbitMQ 4 would drop them before: they become copies, in the same order
    assert [numbers() for _ in range(looks)] == [[0, 1, 2]] * looks
    assert [letter.args[0] for letter in contents.peek(QUEUE)] == [0, 1, 2, 3, 4]


def test_one_is_requeued_edited_or_deleted_and_the_others_stay(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    put(channel, 1, 2, 3, 4)
    _, second, third, fourth = contents.peek(QUEUE)
    contents.requeue_one(QUEUE, third.key, arguments={"args": [33], "kwargs": {"y": 1}})
    contents.delete_one(QUEUE, second.key)
    with pytest.raises(contents.UnknownLetter):
        contents.delete_one(QUEUE, second.key)
    assert numbers() == [1, 4]
    _, properties, body = channel.basic_get(QUEUE)
    assert (json.loads(body)["args"], json.loads(body)["kwargs"], properties.message_id) == ([33], {"y": 1}, "n3")
    assert fourth.id == "n4"

    channel.basic_publish("", topology.dead_letter_queue(QUEUE), b"\xff no message")
    assert [letter.actor for letter in contents.peek(QUEUE)] == ["add", "add", None]
    assert contents.purge(QUEUE) == 3
    assert contents.peek(QUEUE) == []


def test_a_queue_without_dead_letters_shows_none(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    assert contents.peek("nobody_used") == []
    assert contents.purge("nobody_used") == 0


def test_commands_list_show_requeue_and_delete_them(
    channel: pika.adapters.blocking_connection.BlockingChannel, vhost: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), tmp_path / "callboard.db")
    terminal = Terminal(tmp_path)
    terminal.environment["CALLBOARD_BROKER_URL"] = vhost
    put(channel, 1, 2, 3, queue="default")

    keys = [line.split()[0] for line in terminal.run("dead-letters", "default").splitlines()]
    assert json.loads(terminal.run("dead-letters", "default", "show", keys[0]))["args"] == [1]
    assert terminal.run("dead-letters", "default", "requeue", keys[1], "--args", "[22, 1]") == f"{keys[1]} requeued"
    assert terminal.run("dead-letters", "default", "delete", keys[0]) == f"{keys[0]} deleted"
    assert "There is no dead letter" in terminal.run("dead-letters", "default", "delete", keys[0], code=1)
    assert terminal.run("dead-letters", "default").startswith(keys[2])
    assert json.loads(channel.basic_get("default")[2])["args"] == [22, 1]
    assert terminal.run("dead-letters", "default", "purge", "--yes") == "1 deleted"
    with terminal.database.read() as session:
        written = session.execute(select(AuditEntry.action, AuditEntry.subject, AuditEntry.details).order_by(AuditEntry.seq)).all()
    assert [tuple(each) for each in written][:2] == [
        ("dead-letter.requeue", keys[1], {"queue": "default"}), ("dead-letter.delete", keys[0], {"queue": "default"}),
    ]  # fmt: skip
    terminal.database.engine.dispose()
