"""Held messages: stored with the reason; none of them stops a worker."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dramatiq import Message

from src.jobs import State
from src.jobs.control import actions
from src.jobs.control.held import BODY_LIMIT
from src.jobs.core.models import Job
from src.jobs.core.states import HeldFor
from src.jobs.submit.submission import new_id
from tests.actors import broker as actors
from tests.harness.callboard import Callboard, as_kept
from tests.harness.commands import DEADLINE_S
from tests.harness.waiting import eventually


def foreign(*args: Any, actor: str = "echo", **options: Any) -> Message[Any]:
    return Message(queue_name="default", actor_name=actor, args=args, kwargs={}, options=options, message_id=new_id())


def held(callboard: Callboard) -> list[Job]:
    return callboard.jobs(state=State.HELD)


def test_a_job_of_an_unknown_actor_is_held_until_a_worker_knows_it(quiet: Callboard) -> None:
    id = quiet.submit(foreign("later"))
    with quiet.working(CALLBOARD_ACTORS="") as old:
        job = quiet.until(id, State.HELD)
        assert job.held_for is HeldFor.UNKNOWN_ACTOR
        assert "has no actor named 'echo'. Add its module to src/actors or CALLBOARD_ACTORS." in (job.reason or "")

        with quiet.working():
            assert quiet.until(id).result == "later"
        assert old.process.poll() is None


def test_arguments_that_do_not_fit_are_held_and_run_when_released_to_a_fitting_actor(callboard: Callboard) -> None:
    for message, problem in (
        (foreign(1, 2, actor="strictly"), "strictly(): too many positional arguments"),
        (foreign(actor="strictly"), "strictly(): missing a required argument: 'number'"),
        (foreign("no instant", actor="when"), "instant: Enter a date and time"),
        (foreign(1, 2, 3, actor="fetch"), "fetch(): too many positional arguments"),
    ):
        job = callboard.until(callboard.submit(message), State.HELD)
        assert job.held_for is HeldFor.ARGUMENTS
        assert problem in (job.reason or "")


def test_a_type_error_of_the_actors_own_is_a_failure(callboard: Callboard) -> None:
    job = callboard.until(actors.increment.send_with_options(args=("text",)))

    assert (job.state, (job.error or "").partition(":")[0]) == (State.DEAD, "TypeError")


def test_a_message_published_in_the_management_ui_is_held_and_runs_when_released(callboard: Callboard) -> None:
    message = foreign("by hand")
    answer = callboard.node.api(
        "POST",
        f"/api/exchanges/{callboard.vhost}/amq.default/publish",
        {"routing_key": "default", "payload": message.encode().decode(), "payload_encoding": "string", "properties": {}},
    )
    assert answer == {"routed": True}

    job = _when_kept(callboard, message, State.HELD)
    assert (job.held_for, job.args, job.source) == (HeldFor.FOREIGN, ["by hand"], "broker")

    with callboard.database.write() as session:
        actions.release(session, job.id)
    assert callboard.until(job.id).result == "by hand"


def test_a_forged_copy_of_a_job_starts_nothing_and_changes_nothing(callboard: Callboard) -> None:
    message = actors.echo.send("true")
    assert callboard.until(message).result == "true"

    for attempt in (1, 2, 3, 0, -1, 2**40, "x", None, 1.5):
        callboard.publish(message.copy(args=("forged",), options={"attempt": attempt}).encode())
    marker = actors.echo.send("marker")
    callboard.until(marker)

    job = callboard.job(message.message_id)
    assert (job.result, job.attempt, len(job.attempts)) == ("true", 1, 1)


def test_a_message_that_names_another_actor_than_its_row_runs_what_the_row_says(quiet: Callboard) -> None:
    message = actors.echo.send("row")
    eventually(lambda: quiet.job(message.message_id).published_at, deadline_s=DEADLINE_S)
    quiet.node.api("DELETE", f"/api/queues/{quiet.vhost}/default/contents")
    quiet.publish(Message(**{**message.asdict(), "actor_name": "fail", "args": ("body",)}).encode())

    with quiet.working():
        assert quiet.until(message).result == "row"


MALFORMED: list[bytes] = [
    b"",
    b"\x00",
    b"\xff\xfe\xfd",
    b"{",
    b"null",
    b"true",
    b"1",
    b'"text"',
    b"[]",
    b"[[[[",
    b"{}",
    b'{"queue_name": "default"}',
    b"NaN",
    b"1" * 10_000,
    b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 5000,
    b"x" * 1_000_000,
    '{"ü": 1}'.encode("latin-1"),
    "text".encode("utf-16"),
]


def _wrong(**fields: Any) -> bytes:
    whole = {
        "queue_name": "default",
        "actor_name": "echo",
        "args": [],
        "kwargs": {},
        "options": {},
        "message_id": "x",
        "message_timestamp": 1,
    }
    return json.dumps({**whole, **fields}).encode()


def _nested(depth: int) -> bytes:
    return _wrong(args="DEEP").replace(b'"DEEP"', b"[" * depth + b"]" * depth)


def _without(name: str) -> bytes:
    """Return a body that misses a field."""
    return json.dumps({field: value for field, value in json.loads(_wrong()).items() if field != name}).encode()


WRONG_FIELDS: list[bytes] = [
    *[_without(name) for name in ("queue_name", "actor_name", "kwargs", "options")],
    _wrong(unknown=1),
    _wrong(actor_name=None),
    _wrong(actor_name=5),
    _wrong(actor_name=""),
    _wrong(actor_name="x" * 300),
    _wrong(actor_name="a\x00b"),
    _wrong(actor_name="\ud800"),
    _wrong(message_id=None),
    _wrong(message_id=["list"]),
    _wrong(message_id="\udfff"),
    _wrong(queue_name=5),
    _wrong(args=5),
    _wrong(args=None),
    _wrong(args="text"),
    _wrong(args={"a": 1}),
    _wrong(kwargs=[]),
    _wrong(kwargs="text"),
    _wrong(options=[1]),
    _wrong(options=None),
    *[_nested(depth) for depth in (201, 500, *range(880, 1010, 2))],
]


def test_two_hundred_malformed_bodies_stop_nothing_and_are_all_listed(callboard: Callboard) -> None:
    before = {job.id for job in held(callboard)}
    chance = random.Random(5)
    bodies = [*MALFORMED, *WRONG_FIELDS]
    while len(bodies) < 150:
        whole = _wrong(more=chance.random())
        bodies.append(whole[: chance.randrange(1, len(whole) - 1)])
    while len(bodies) < 200:
        bodies.append(chance.randbytes(chance.randrange(1, 200)) + b"\xff")

    callboard.publish(*bodies)
    after_them = actors.echo.send("still here")

    assert callboard.until(after_them).result == "still here"
    listed = eventually(
        lambda: (found := [job for job in held(callboard) if job.id not in before]) and len(found) == len(bodies) and found,
        deadline_s=DEADLINE_S,
        what="all of them are listed",
    )
    assert isinstance(listed, list)
    assert {job.held_for for job in listed} == {HeldFor.UNREADABLE}
    assert all((job.reason or "").startswith("not a Dramatiq message: ") for job in listed)
    kept = {job.body for job in listed}
    assert {as_kept(body) for body in bodies if len(body) <= BODY_LIMIT} <= kept
    assert eventually(lambda: callboard.messages("default") == 0, deadline_s=DEADLINE_S)


def test_an_unreadable_body_does_not_come_back_after_a_restart(quiet: Callboard) -> None:
    with quiet.working():
        quiet.publish(b"?")
        eventually(lambda: held(quiet), deadline_s=DEADLINE_S)
    with quiet.working():
        assert quiet.until(actors.echo.send(1)).result == 1

    assert len(held(quiet)) == 1


# fleets with producers of their own


def test_foreign_messages_run_when_the_setting_says_so(quiet: Callboard) -> None:
    known, unknown = foreign("hello", max_retries=0), foreign(actor="nobody_has_this")
    with quiet.working(CALLBOARD_FOREIGN_MESSAGES="run"):
        quiet.publish(known.encode(), unknown.encode(), b"no message")

        assert _when_kept(quiet, known, State.SUCCEEDED).result == "hello"
        assert _when_kept(quiet, unknown, State.HELD).held_for is HeldFor.UNKNOWN_ACTOR
        eventually(lambda: {job.held_for for job in held(quiet)} == {HeldFor.UNKNOWN_ACTOR, HeldFor.UNREADABLE}, deadline_s=DEADLINE_S)


PRODUCER = """
import sys
import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.errors import ConnectionClosed
from pika.exceptions import UnroutableError

class Producer(RabbitmqBroker):
    def _ensure_queue(self, name):
        '''Callboard declares the queues.'''

kind = RabbitmqBroker if sys.argv[2] == "declaring" else Producer
broker = kind(url=sys.argv[1], confirm_delivery=True, middleware=[])
dramatiq.set_broker(broker)

@dramatiq.actor
def echo(value): ...

try:
    delay = 100 if sys.argv[2] == "delaying" else None
    print(echo.send_with_options(args=("from a stock producer",), delay=delay).message_id)
except (ConnectionClosed, UnroutableError) as error:
    print("refused", error)
broker.close()
"""


def produce(callboard: Callboard, folder: Path, kind: str) -> str:
    """Send one message from a program that has stock Dramatiq and nothing of ours."""
    script = folder / "producer.py"
    script.write_text(PRODUCER)
    done = subprocess.run(
        [sys.executable, str(script), callboard.broker_url, kind],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    return done.stdout.strip()


def test_a_stock_producer_that_leaves_the_queues_alone_is_understood(callboard: Callboard, tmp_path: Path) -> None:
    id = produce(callboard, tmp_path, "undeclaring")

    job = eventually(lambda: next((job for job in held(callboard) if job.id == id), None), deadline_s=DEADLINE_S)
    assert job is not None
    assert (job.actor, job.args, job.held_for) == ("echo", ["from a stock producer"], HeldFor.FOREIGN)


def test_a_stock_producer_that_declares_its_own_queue_gets_an_error_of_rabbitmq(callboard: Callboard, tmp_path: Path) -> None:
    said = produce(callboard, tmp_path, "declaring")

    assert said.startswith("refused")
    assert "PRECONDITION_FAILED" in said
    assert callboard.until(actors.echo.send("unharmed")).result == "unharmed"


def test_a_delay_of_a_stock_producer_is_an_error(callboard: Callboard, tmp_path: Path) -> None:
    assert produce(callboard, tmp_path, "delaying").startswith("refused")


@pytest.mark.parametrize(
    "left",
    [("default", "default.XQ"), *(pytest.param((queue,), marks=pytest.mark.slow) for queue in ("default", "default.XQ"))],
    ids=",".join,
)
def test_queues_that_a_stock_fleet_left_behind_are_used_as_they_are(quiet: Callboard, left: tuple[str, ...]) -> None:
    stock: dict[str, dict[str, object]] = {
        "default": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "default.XQ"},
        "default.XQ": {"x-message-ttl": 604_800_000},
    }
    for queue in left:
        quiet.node.api("PUT", f"/api/queues/{quiet.vhost}/{queue}", {"durable": True, "arguments": stock[queue]})

    with quiet.working() as worker:
        assert quiet.until(actors.echo.send("as it is")).result == "as it is"
        assert quiet.job(actors.echo.send("again").message_id)
        worker.wait_until_it_says("queue_differs", "delete the queue")


def _when_kept(callboard: Callboard, message: Message[Any], state: State) -> Job:
    def kept() -> Job | None:
        return next((job for job in callboard.jobs(state=state) if job.id == message.message_id), None)

    found = eventually(kept, deadline_s=DEADLINE_S, what=f"{message} is kept as {state}")
    assert found is not None
    return found
