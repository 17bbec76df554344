"""Dead letters return to the queue they came from, without loss."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pika
import pytest
from sqlalchemy import select

from src.audit import AuditEntry
from src.broker.core import topology
from src.broker.recover import dead_letter_contents as contents
from src.broker.recover import dead_letters
from src.broker.recover.dead_letters import BrokerAway, Requeued
from src.jobs.submit import defaults
from src.operations.failures import dead_letter_requests
from src.operations.people import caller
from src.operations.people.caller import Caller
from src.operations.people.roles import Role
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


def put(channel: pika.adapters.blocking_connection.BlockingChannel, *numbers: int, queue: str = QUEUE, actor: str = "add") -> None:
    """Publish messages to the dead-letter queue."""
    topology.declare(channel, queue)
    channel.confirm_delivery()
    for number in numbers:
        body = {"queue_name": queue, "actor_name": actor, "args": [number], "kwargs": {}, "options": {}, "message_id": f"n{number}"}
        channel.basic_publish(
            "", topology.dead_letter_queue(queue), json.dumps(body).encode(), pika.BasicProperties(message_id=f"n{number}")
        )


def numbers() -> list[int]:
    return [letter.args[0] for letter in contents.peek(QUEUE, limit=3)]


def test_a_look_changes_neither_the_order_nor_the_messages_however_often(
    channel: pika.adapters.blocking_connection.BlockingChannel,
) -> None:
    put(channel, *range(5))
    looks = dead_letters.RENEWED_AFTER + 10  # RabbitMQ 4 would drop them before: they become copies, in the same order
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


_ODD: dict[str, tuple[bytes, dict[str, object]]] = {
    "nested deep": (b'{"args": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}),
    "a lone surrogate as id": (json.dumps({"queue_name": "q", "actor_name": "add", "args": [], "kwargs": {}, "options": {}, "message_id": "\ud800"}).encode(), {}),
    "a NUL as id": (json.dumps({"queue_name": "q", "actor_name": "add", "args": [], "kwargs": {}, "options": {}, "message_id": "\0"}).encode(), {}),
    "a list": (b"[1, 2]", {}),
    "pickled": (pickle.dumps({"task": "add"}), {}),
    "headers of another program": (b"hello", {"headers": {"x-death": "long ago", "x-delivery-count": "many", "x-first-death-queue": ["a"]}}),
    "a death of another form": (b"hello", {"headers": {"x-death": ["once", 2]}}),
    "a death without details": (b"hello", {"headers": {"x-death": [{"time": 5, "reason": 7}], "x-delivery-count": None}}),
    "copies": (b"hello", {"headers": {"CC": [f"{QUEUE}.low"], "BCC": [f"{QUEUE}.high"]}}),
}  # fmt: skip


def test_messages_of_any_program_are_shown_requeued_as_they_are_and_not_edited(
    channel: pika.adapters.blocking_connection.BlockingChannel,
) -> None:
    topology.declare(channel, QUEUE)
    channel.confirm_delivery()
    for body, properties in _ODD.values():
        channel.basic_publish("", topology.dead_letter_queue(QUEUE), body, pika.BasicProperties(**properties))
    for route in topology.queues_of(QUEUE):
        channel.queue_purge(route)  # of the copies that this has sent

    letters = contents.peek(QUEUE)
    assert [letter.actor for letter in letters] == [None] * len(_ODD)
    for letter in letters:
        with pytest.raises(contents.NotEditable, match="Requeue it as it is"):
            contents.requeue_one(QUEUE, letter.key, arguments={"args": [1]})
    assert [letter.key for letter in contents.peek(QUEUE)] == [letter.key for letter in letters]
    for letter in letters[:4]:
        contents.requeue_one(QUEUE, letter.key)
    assert dead_letters.requeue(QUEUE) == Requeued(len(_ODD) - 4, 0)
    assert [channel.basic_get(QUEUE)[2] for _ in _ODD] == [body for body, _ in _ODD.values()]
    assert [channel.basic_get(route)[2] for route in topology.queues_of(QUEUE)] == [None] * 3, "no copy anywhere"


@pytest.mark.parametrize("args", ["[1e400]", "[NaN]", "[1.10, 1E2]", '["\\u00e4\\n", 12345678901234567890123]'])
def test_arguments_that_come_back_unchanged_leave_the_message_as_it_was(
    channel: pika.adapters.blocking_connection.BlockingChannel, args: str
) -> None:
    topology.declare(channel, QUEUE)
    body = f'{{"message_id": "n",  "queue_name": "q", "actor_name": "add", "args": {args}, "kwargs": {{}}, "options": {{}}}}'.encode()
    channel.confirm_delivery()
    channel.basic_publish("", topology.dead_letter_queue(QUEUE), body)
    [letter] = contents.peek(QUEUE)
    contents.requeue_one(QUEUE, letter.key, arguments={"args": letter.args, "kwargs": letter.kwargs})
    assert channel.basic_get(QUEUE)[2] == body


def test_two_operators_at_once_each_see_all_and_a_second_click_changes_nothing(
    channel: pika.adapters.blocking_connection.BlockingChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "WAIT_S", 60.0)
    put(channel, *range(30))
    with ThreadPoolExecutor(4) as operators:
        seen = list(operators.map(lambda _: [letter.args[0] for letter in contents.peek(QUEUE, limit=30)], range(12)))
    assert seen == [list(range(30))] * 12

    key = contents.peek(QUEUE)[0].key

    def click(_number: int) -> str:
        try:
            contents.requeue_one(QUEUE, key)
        except contents.UnknownLetter:
            return "unknown"
        return "requeued"

    with ThreadPoolExecutor(2) as operators:
        assert sorted(operators.map(click, range(2))) == ["requeued", "unknown"]
    assert channel.queue_declare(QUEUE, passive=True).method.message_count == 1


def test_who_holds_the_dead_letters_too_long_is_named(
    channel: pika.adapters.blocking_connection.BlockingChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(channel, 1)
    monkeypatch.setattr(dead_letters, "WAIT_S", 0.0)
    with dead_letters.opened(QUEUE), pytest.raises(BrokerAway, match="Try again in some seconds"):
        contents.peek(QUEUE)
    assert numbers() == [1]


def test_requeueing_in_vain_however_often_wears_no_message_out(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    put(channel, 1)
    for name in topology.queues_of(QUEUE):
        channel.queue_delete(name)
    [letter] = contents.peek(QUEUE)
    for _ in range(dead_letters.RENEWED_AFTER):  # RabbitMQ 4 drops a message after 20 returns
        with pytest.raises(BrokerAway, match="Start a worker"):
            dead_letters.requeue(QUEUE)
        with pytest.raises(BrokerAway, match="Start a worker"):
            contents.requeue_one(QUEUE, letter.key)
    _, properties, _ = channel.basic_get(topology.dead_letter_queue(QUEUE))
    assert (properties.headers or {}).get("x-delivery-count", 0) <= dead_letters.RENEWED_AFTER


def test_messages_that_are_too_large_together_are_not_taken_and_stay(
    channel: pika.adapters.blocking_connection.BlockingChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(channel, 1, 2, 3)
    monkeypatch.setattr(contents, "MOST_BYTES", 150)
    with pytest.raises(contents.TooMany, match="too large"):
        contents.peek(QUEUE)
    assert dead_letters.requeue(QUEUE) == Requeued(3, 0)


def test_a_message_with_the_user_of_another_program_is_requeued(
    channel: pika.adapters.blocking_connection.BlockingChannel,
) -> None:
    topology.declare(channel, QUEUE)
    user = pika.URLParameters(get_settings().broker_urls[0]).credentials.username
    channel.basic_publish("", topology.dead_letter_queue(QUEUE), b"mine", pika.BasicProperties(user_id=user))
    assert dead_letters.requeue(QUEUE) == Requeued(1, 0)
    assert channel.basic_get(QUEUE)[1].user_id is None, "RabbitMQ takes no other user's"


def test_those_of_an_actor_with_a_higher_submit_role_stay(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    put(channel, 1, 2)
    put(channel, 3, actor="spill")
    put(channel, 4)
    before = defaults.of("spill")
    defaults.declare("spill", replace(before, submit_role="admin"))
    caller.become(Caller("ann", Role.OPERATOR, "user:ann"))
    try:
        letters = contents.peek(QUEUE)
        [guarded] = [letter.key for letter in letters if letter.actor == "spill"]
        with pytest.raises(caller.Forbidden, match="requires role admin"):
            dead_letter_requests.requeue_one(QUEUE, guarded, arguments={"args": [9]})
        assert contents.peek(QUEUE) == letters
        dead_letter_requests.requeue_one(QUEUE, letters[0].key)
        assert dead_letters.requeue(QUEUE, limit=1, takes=lambda body: b"[4]" in body) == Requeued(1, 2)
        assert dead_letter_requests.requeue(QUEUE) == Requeued(1, 1)
        assert [letter.actor for letter in contents.peek(QUEUE)] == ["spill"]
        caller.become(Caller("root", Role.ADMIN, "user:root"))
        assert dead_letter_requests.requeue(QUEUE) == Requeued(1, 0)
    finally:
        caller.become(None)
        defaults.declare("spill", before)
