"""Celery's producers send while workers are killed: no task is lost, each keeps its id, and the rest is held with reasons."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import pika
import pytest

from src.jobs.core.states import State
from tests.faults.celery.conftest import Producer
from tests.harness.callboard import Callboard
from tests.harness.celery_messages import Sent, publish, sig, v1, v2
from tests.harness.waiting import eventually

QUEUE = "celery"
#: rounds of the producer that are a thousand messages, and effects until which workers are killed
ROUNDS, ENOUGH = 58, 1000
DEADLINE_S = 240.0


@pytest.mark.parametrize("fault", ["rows of Celery's messages | commit", "commit of Celery's messages | ack"])
def test_a_worker_killed_beside_its_commit_loses_and_doubles_no_message(fault: str, callboard: Callboard, tmp_path: Path) -> None:
    ids = [str(uuid4()) for _ in range(12)]
    publish(callboard.broker_url, QUEUE, [v2("moved.add", n, n, id=id) for n, id in enumerate(ids)])
    worker = callboard.start(threads=4, CHAOS_FAULT=fault)
    eventually((tmp_path / "struck").exists, deadline_s=DEADLINE_S, what=f"the worker dies at {fault!r}")
    worker.process.wait(DEADLINE_S)
    worker.start_again()

    assert [callboard.until(id).result for id in ids] == [n + n for n in range(12)]
    eventually(lambda: callboard.messages(QUEUE) == 0, deadline_s=DEADLINE_S)
    assert len(callboard.jobs()) == len(ids)
    assert sorted(callboard.lines("effects")) == sorted(ids)


@pytest.mark.slow
def test_a_thousand_messages_of_a_real_producer_while_workers_are_killed(callboard: Callboard, producer: Producer) -> None:
    workers = [callboard.start(threads=4) for _ in range(2)]
    sent: dict[str, Any] = {}
    sending = threading.Thread(target=lambda: sent.update(producer(callboard.broker_url, "mix", str(ROUNDS))))
    sending.start()
    dice = random.Random(7)
    kills = 0
    while (before := len(callboard.lines("effects"))) < ENOUGH:
        place = dice.randrange(len(workers))
        workers[place].wait_until_serving()
        wanted_lines = min(before + 40, ENOUGH)
        eventually(lambda least=wanted_lines: len(callboard.lines("effects")) >= least, deadline_s=DEADLINE_S, what="tasks run")  # type: ignore[misc]
        workers[place].kill()
        workers[place] = callboard.start(threads=4)
        kills += 1
    sending.join(DEADLINE_S)
    wanted = set(sent["effects"])

    eventually(lambda: wanted <= set(callboard.lines("effects")), deadline_s=DEADLINE_S, what="each task has had its effect")
    for id in wanted:
        assert callboard.until(id).state is (State.DEAD if id in sent["dead"] else State.SUCCEEDED), id
    held = {job.id: f"{job.reason}" for job in callboard.jobs(state=State.HELD)}
    assert held.keys() == sent["held"].keys()
    assert all(words in held[id] for id, words in sent["held"].items())
    assert {id: callboard.job(id).result for id in sent["results"]} == sent["results"]
    assert callboard.messages(QUEUE) == 0

    runs = Counter(callboard.lines("effects"))
    repeated = sum(runs.values()) - len(runs)
    print(
        f"Celery {sent['celery']}: {sent['messages']} messages, {len(wanted)} tasks with an effect, {len(held)} held, {kills} kills, "
        f"{repeated} effects repeated, 0 lost"
    )
    assert repeated, "the kills have hit no running task"
    assert sent["messages"] >= 1000


@pytest.mark.slow
def test_messages_built_by_hand_are_as_a_real_producer_writes_them(callboard: Callboard, producer: Producer) -> None:
    producer(callboard.broker_url, "describe")
    found = {_name(message): message for message in _messages(callboard.broker_url, "described")}

    chain = v2("moved.add", 1, 2, embedded={"chain": [sig("moved.add", 3, task_id="x", reply_to="y")]})
    for name, built in (("v2", v2("moved.add", 1, 2)), ("v1", v1("moved.add", 1, 2)), ("chain", chain)):
        assert _shape(found[name]) == _shape(built), name


def _messages(url: str, queue: str) -> list[Sent]:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        return [(properties, body) for _, properties, body in (channel.basic_get(queue, auto_ack=True) for _ in range(3))]
    finally:
        connection.close()


def _name(message: Sent) -> str:
    return str(message[0].correlation_id) if message[0].correlation_id in ("v1", "v2") else "chain"


def _shape(message: Sent) -> Any:
    """Return the names and types of all that a message holds."""
    properties, body = message
    names = {name: type(value).__name__ for name, value in vars(properties).items() if value is not None and name != "headers"}
    return names, _types(properties.headers), _types(json.loads(body))


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _types(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_types(inner) for inner in value]
    return type(value).__name__
