"""Invalid message bodies are all held for an operator, and the jobs behind them run."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pika
import pytest
from sqlalchemy import delete, func, select

from src.broker.core.topology import declare
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.sql.database import Database
from tests.faults.chaos.test_kill_points import ended, struck, submitted
from tests.harness.fleet import Fleet
from tests.harness.waiting import eventually

pytestmark = pytest.mark.both_stores

GOOD = {"queue_name": "chaos", "actor_name": "work", "args": [1], "kwargs": {}, "options": {}, "message_id": "m", "message_timestamp": 1}


def malformed() -> list[bytes]:
    """200 bodies that no worker can run, from every corner where a decoder may fail."""
    chance = random.Random(3)
    bodies = [
        b"", b" ", b"null", b"true", b"17", b'"text"', b"[]", b"{}", b"\xff\xfe\x00", b"\x00" * 100, b"{" * 50_000, b"[" * 100_000, b"NaN",
        b"1" * 10_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "häßlich".encode("latin-1"), b"\xed\xa0\x80", b"x" * 300_000,
    ]  # fmt: skip
    for field in ("queue_name", "actor_name", "kwargs", "options"):
        bodies.append(json.dumps({name: value for name, value in GOOD.items() if name != field}).encode())
    wrong_values: list[object] = [None, 5, True, "", "\x00", "\ud800", "x" * 300, [], {}]
    for field in ("queue_name", "actor_name", "message_id"):
        bodies += [json.dumps({**GOOD, field: value}).encode() for value in wrong_values]
    for field in ("kwargs", "options"):
        bodies += [json.dumps({**GOOD, field: value}).encode() for value in wrong_values[:-1]]
    bodies += [json.dumps({**GOOD, "args": value}).encode() for value in wrong_values[:3]]
    for depth in range(900, 1100, 20):  # about where an encoder gives up that follows a decoder which did not
        bodies.append(json.dumps(GOOD).replace('"args": [1]', '"args": [' + "[" * depth + "]" * depth + "]").encode())
    while len(bodies) < 200:
        whole = json.dumps({**GOOD, "more": chance.random()}).encode()
        bodies.append(whole[: chance.randrange(1, len(whole) - 1)])
    return bodies[:200]


def test_two_hundred_malformed_bodies_stop_nothing_and_are_all_listed(chaos: dict[str, str], database: Database, tmp_path: Path) -> None:
    bodies = malformed()
    connection = pika.BlockingConnection(pika.URLParameters(chaos["CALLBOARD_BROKER_URL"]))
    channel = connection.channel()
    declare(channel, "chaos")
    channel.confirm_delivery()
    for body in bodies:
        channel.basic_publish("", "chaos", body)
    connection.close()

    accepted = submitted(database, "leave_a_row")
    with Fleet(chaos, tmp_path / "log", workers=1, scheduler=False):
        eventually(lambda: held(database) == len(bodies), deadline_s=20, what="each body is kept")
        with database.write() as session:
            session.execute(delete(Job).where(Job.state == State.HELD))
        ended(database, accepted).check()
    assert not struck(chaos)


def held(database: Database) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).where(Job.state == State.HELD)).scalar_one()
