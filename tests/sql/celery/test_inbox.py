"""Messages that Celery's producers have left in a queue, by the bodies and properties that the protocol describes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pika
import pytest
from dramatiq import Message

import tests.actors.celery_tasks  # noqa: F401 - declares the tasks
from src.broker.consume.celery_messages import celery_inbox
from src.broker.consume.claimer import Claimer
from src.broker.consume.deliveries import Arrival
from src.broker.core.load import Load
from src.celery.inbox import chords
from src.celery.result import AsyncResult
from src.jobs.control import actions
from src.jobs.core.models import Job
from src.jobs.core.states import HeldFor, State
from src.jobs.read.queries import page
from src.settings import get_settings
from tests.harness.celery_messages import TASKS, Sent, sig, v1, v2
from tests.harness.inline import Inline
from tests.harness.jobs import StillClock, look

#: a queue of old producers that no actor uses
QUEUE = "celery"


@pytest.fixture
def inbox(inline: Inline, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    monkeypatch.setenv("CALLBOARD_CELERY_QUEUES", QUEUE)
    get_settings.cache_clear()
    return Inbox(inline)


class Inbox:
    """The claimer of the queue, and the worker that runs what has become a job."""

    def __init__(self, inline: Inline) -> None:
        self.inline, self.database = inline, inline.database
        process = inline.process
        self.claimer = Claimer(process.lease, Load(8), QUEUE, actors=process.actors, policies=process.limits.policies)

    def take(self, *messages: Sent) -> None:
        arrivals = [Arrival(1, tag, False, body, properties=properties) for tag, (properties, body) in enumerate(messages, 1)]
        assert len(self.claimer.take(arrivals).done_with) == len(messages)

    def job(self, id: str) -> Job:
        return look(self.database, id)

    def held(self) -> list[Job]:
        with self.database.read() as session:
            return page(session, states=[State.HELD]).jobs

    def results(self, task: str) -> list[Any]:
        """Return the results of the succeeded jobs of a task, in their order of submission."""
        with self.database.read() as session:
            return [job.result for job in reversed(page(session, actor=TASKS + task, states=[State.SUCCEEDED]).jobs)]

    def result(self, id: str) -> Any:
        self.inline.run_all()
        job = self.job(id)
        assert job.state is State.SUCCEEDED, (job.state, job.reason, job.error)
        return job.result


@pytest.mark.both_stores
@pytest.mark.both_stores
def test_a_message_becomes_a_job_once_with_its_own_id(inbox: Inbox) -> None:
    id = str(uuid4())
    inbox.take(v2("add", 2, 3, id=id), v2("add", 2, 3, id=id))
    inbox.take(v2("add", 7, 7, id=id))

    job = inbox.job(id)
    assert (job.state, job.actor, job.queue, job.args, job.source) == (State.QUEUED, TASKS + "add", "default", [2, 3], "broker")
    assert inbox.result(id) == 5


def test_an_unknown_task_is_held_when_its_message_arrives(inbox: Inbox) -> None:
    id = str(uuid4())
    inbox.take(v2("proj.gone", 1, id=id))
    job = inbox.job(id)
    assert (job.state, job.queue) == (State.QUEUED, "default")
    envelope: Message[Any] = Message("default", "proj.gone", (), {}, {"attempt": 1}, message_id=id)
    inbox.claimer.take([Arrival(1, 1, False, envelope.encode())])

    assert (inbox.job(id).state, inbox.job(id).held_for) == (State.HELD, HeldFor.UNKNOWN_ACTOR)


@pytest.mark.parametrize("protocol", [v1, v2])
def test_each_option_of_a_call_keeps_its_meaning(protocol: Any, inbox: Inbox, time: StillClock) -> None:
    eta, expires = time.now() + timedelta(hours=1), time.now() + timedelta(hours=2)
    naive = protocol is v1  # its instants have no zone
    written = [each.replace(tzinfo=None).isoformat() if naive else each.isoformat() for each in (eta, expires)]
    id = str(uuid4())
    inbox.take(protocol("keep", 1, id=id, kwargs={"a": [2]}, priority=7, eta=written[0], expires=written[1], timelimit=[60, 30]))

    job = inbox.job(id)
    assert (job.state, job.args, job.kwargs, job.priority) == (State.SCHEDULED, [1], {"a": [2]}, 7)
    assert (job.due_at, job.expires_at) == (eta, expires)
    assert {name: job.options[name] for name in ("hard_time_limit", "time_limit", "isolated")} == {
        "hard_time_limit": 60_000, "time_limit": 30_000, "isolated": True,
    }  # fmt: skip


def test_the_request_of_a_task_says_what_its_producer_has_sent(inbox: Inbox) -> None:
    id, root, parent, group = (str(uuid4()) for _ in range(4))
    inbox.take(
        v2(
            "about",
            id=id,
            root_id=root,
            parent_id=parent,
            group=group,
            group_index=3,
            retries=2,
            mine="x",
            stamped_headers=["by"],
            stamps={"by": 7},
        )
    )

    about = inbox.result(id)
    assert {name: about[name] for name in ("id", "root_id", "parent_id", "group", "group_index", "retries", "headers")} == {
        "id": id, "root_id": root, "parent_id": parent, "group": group, "group_index": 3, "retries": 2, "headers": {"mine": "x"},
    }  # fmt: skip


def test_retries_before_the_move_count(inbox: Inbox) -> None:
    once, never = str(uuid4()), str(uuid4())
    inbox.take(v2("flaky", 2, id=once, retries=1, kwargs={"countdown": 0}), v2("flaky", 9, id=never, retries=2, kwargs={"countdown": 0}))

    assert inbox.result(once) == 2
    assert inbox.job(never).state is State.DEAD


def test_values_of_celerys_json_keep_their_types(inbox: Inbox) -> None:
    def typed(name: str, value: Any) -> Any:
        return {"__type__": name, "__value__": value}

    id, uuid = str(uuid4()), uuid4()
    given = [
        typed("datetime", "2030-01-02T03:04:05+00:00"), typed("date", "2030-01-02"), typed("time", "03:04:05"), typed("decimal", "1.5"),
        typed("uuid", {"hex": uuid.hex}), typed("bytes", "ü"), typed("base64", "/w=="),
    ]  # fmt: skip
    inbox.take(v2("echo", given, id=id))
    inbox.inline.run_all()

    moment = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert AsyncResult(id).get(1) == [
        moment,
        moment.date(),
        moment.time().replace(tzinfo=None),
        Decimal("1.5"),
        uuid,
        "ü".encode(),
        b"\xff",
    ]


def test_an_expired_message_is_a_job_that_has_expired(inbox: Inbox) -> None:
    id = str(uuid4())
    inbox.take(v2("add", 1, 1, id=id, expires="2020-01-01T00:00:00+00:00"))
    inbox.inline.relay.run_once()

    assert inbox.job(id).state is State.EXPIRED


def test_links_run_with_the_result_or_after_the_failure(inbox: Inbox) -> None:
    id, after, failing = (str(uuid4()) for _ in range(3))
    links = [
        sig("add", 10, task_id=after),
        sig("celery.group", kind="group", kwargs={"tasks": [sig("keep"), sig("keep", 1, immutable=True)]}),
    ]
    inbox.take(
        v2("add", 1, 2, id=id, embedded={"callbacks": links}),
        v2("fail", id=failing, embedded={"errbacks": [sig("log_id"), sig("keep", "told", immutable=True)]}),
    )
    inbox.inline.run_all()

    assert (inbox.job(id).result, inbox.job(after).result) == (3, 13)
    assert inbox.results("keep") == [[[3], {}], [[1], {}], [["told"], {}]]
    assert inbox.results("log_id") == [failing]


def test_a_chain_runs_in_order_and_its_errback_once(inbox: Inbox) -> None:
    ids, failing = [str(uuid4()) for _ in range(3)], [str(uuid4()) for _ in range(2)]
    # The next task is the last of the list; the errback of a chain is in each of its tasks.
    inbox.take(
        v2("add", 1, 1, id=ids[0], embedded={"chain": [sig("mul", 10, task_id=ids[2], reply_to="x"), sig("add", 3, task_id=ids[1])]}),
        v2(
            "fail",
            id=failing[0],
            embedded={"errbacks": [sig("log_id")], "chain": [sig("add", 3, task_id=failing[1], link_error=[sig("log_id")])]},
        ),
    )
    inbox.inline.run_all()

    assert [inbox.job(id).result for id in ids] == [2, 5, 50]
    assert [inbox.job(id).state for id in failing] == [State.DEAD, State.CANCELLED]
    assert inbox.results("log_id") == [failing[0]]


def test_a_chord_within_a_chain_is_complete(inbox: Inbox) -> None:
    ids = [str(uuid4()) for _ in range(4)]
    header = sig(
        "celery.group", kind="group", kwargs={"tasks": [sig("add", 1, task_id=ids[1]), sig("add", 2, task_id=ids[2])]}, task_id="g"
    )
    within = sig("celery.chord", kind="chord", kwargs={"kwargs": {}, "header": header, "body": sig("xsum", task_id=ids[3])}, task_id="g")
    inbox.take(v2("add", 1, 1, id=ids[0], embedded={"chain": [within]}))

    assert inbox.result(ids[3]) == 7


def chord(size: int, *, unlock: bool) -> tuple[list[str], str, str, list[Sent]]:
    """Return the ids of a header, of its group and of its body, and the messages; the second task of the header is a chain."""
    ids, group, body, first = [str(uuid4()) for _ in range(size)], str(uuid4()), str(uuid4()), str(uuid4())
    callback = sig("xsum", task_id=body, group_id=group, link_error=[sig("log_id")])
    sent = [v2("add", n, n, id=id, group=group, group_index=n, embedded={"chord": callback}) for n, id in enumerate(ids)]
    second = sig("add", 1, task_id=ids[1], group_id=group, group_index=1, chord=callback)
    sent[1] = v2("add", 0, 1, id=first, embedded={"chain": [second]})
    if unlock:
        results = [[[id, None], None] for id in ids]
        sent.insert(0, v2("celery.chord_unlock", group, callback, kwargs={"interval": None, "max_retries": None, "result": results}))
    return ids, group, body, sent


@pytest.mark.both_stores
@pytest.mark.parametrize("order", ["as sent", "the header first", "twice"])
def test_a_chord_whose_header_is_named_runs_its_body_once(order: str, inbox: Inbox, time: StillClock) -> None:
    ids, group, body, sent = chord(3, unlock=True)
    inbox.take(*(sent if order == "as sent" else sent[1:] + sent[:1] if order == "the header first" else sent * 2))
    for message in sent:
        inbox.take(message)
    run_with_pauses(inbox, time)

    assert [inbox.job(id).result for id in ids] == [0, 2, 4]
    assert (inbox.job(group).result, inbox.job(body).result) == ([0, 2, 4], 6)
    assert inbox.results("log_id") == []


@pytest.mark.both_stores
def test_a_chord_that_its_backend_counts_is_held_until_an_operator_releases_it(inbox: Inbox, time: StillClock) -> None:
    ids, group, body, sent = chord(3, unlock=False)
    inbox.take(*reversed(sent))
    inbox.inline.run_all()

    job = inbox.job(group)
    assert (job.state, job.held_for, job.args) == (State.HELD, HeldFor.FOREIGN, [group, [[n, id] for n, id in enumerate(ids)]])
    assert "do not say how many tasks" in (job.reason or "")
    assert [inbox.job(id).result for id in ids] == [0, 2, 4]
    with inbox.database.write() as session:
        actions.release(session, group)
    assert inbox.result(body) == 6


@pytest.mark.both_stores
def test_two_workers_that_meet_the_same_chord_gather_it_once(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, group, body, sent = chord(3, unlock=False)
    look_up, calls = chords._locked, iter([False, True, False, True])
    inbox.take(sent[0])
    # As if the other worker's row were not committed yet when it is looked for.
    monkeypatch.setattr(chords, "_locked", lambda session, id: look_up(session, id) if next(calls) else None)
    inbox.take(sent[1])
    inbox.take(sent[2])

    assert inbox.job(group).args == [group, [[n, id] for n, id in enumerate(ids)]]
    assert (inbox.job(group).state, inbox.job(body).state) == (State.HELD, State.SCHEDULED)
    assert [job.id for job in inbox.held()] == [group]


def test_a_chord_whose_header_fails_runs_its_errback(inbox: Inbox, time: StillClock) -> None:
    ids, group, body, sent = chord(2, unlock=True)
    inbox.take(sent[0], v2("fail", id=ids[0], group=group, group_index=0), sent[2])
    run_with_pauses(inbox, time)

    assert [inbox.job(id).state for id in (ids[0], group, body)] == [State.DEAD, State.DEAD, State.CANCELLED]
    assert "ChordError" in (inbox.job(group).error or "")
    assert inbox.results("log_id") == [body]


def run_with_pauses(inbox: Inbox, time: StillClock) -> None:
    for _ in range(3):
        inbox.inline.run_all()
        time.forward(61)
    inbox.inline.run_all()


@pytest.mark.both_stores
def test_a_pickle_is_held_whole_with_the_reason_and_never_decoded(inbox: Inbox) -> None:
    id, pickle = str(uuid4()), b"\x80\x04\x95\xff" * 20_000
    made, _ = v2("add", id=id, properties={"content_type": "application/x-python-serialize", "content_encoding": "binary"})
    inbox.take((made, pickle), (made, pickle))

    [job] = inbox.held()
    assert (job.id, job.held_for, job.actor, job.queue) == (id, HeldFor.UNREADABLE, None, QUEUE)
    assert (job.reason or "").startswith("not a JSON message of Celery: its content type is application/x-python-serialize")
    assert job.body == f"base64:{base64.b64encode(pickle).decode()}"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (v2("add", 1, 2, eta="soon"), "Invalid isoformat string"),
        (v2("add", 1, 2, timelimit=[-1, None]), "time_limit must be a number of seconds above 0"),
        (v2("add", 1, 2, embedded={"callbacks": ["add"]}), "'add' is not a signature; released, its task runs alone"),
        (v2("add", "x" * 1_100_000), "the arguments are"),
        (v2("celery.chord_unlock", "g"), "not enough values"),
        (v2("add", 1, 2, group="\0", embedded={"chord": sig("xsum", task_id="body")}), "its chord has no group"),
        (v2("add", 1, 2, embedded={"chain": [sig("add", 1, task_id="same"), sig("add", 1, task_id="same")]}), "have the same id"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_call_that_cannot_be_a_job_is_held_and_runs_alone_when_released(message: Sent, reason: str, inbox: Inbox) -> None:
    inbox.take(message, v2("add", 1, 1, id="beside"))

    [job] = inbox.held()
    assert (job.id, job.held_for) == (message[0].correlation_id, HeldFor.FOREIGN)
    assert reason in (job.reason or "")
    assert inbox.result("beside") == 2
    if job.args == [1, 2]:
        with inbox.database.write() as session:
            actions.release(session, job.id)
        assert inbox.result(job.id) == 3


@pytest.mark.both_stores
@pytest.mark.parametrize("value", [float("nan"), "\0", "\ud800", [[[]] * 2] * 2], ids=["NaN", "NUL", "surrogate", "fine"])
def test_arguments_that_no_row_can_hold_are_held_with_their_message(value: Any, inbox: Inbox) -> None:
    id = str(uuid4())
    message = v2("keep", value, "x" * 100_000, id=id)
    inbox.take(message)

    job = inbox.job(id)
    assert (job.state, job.body) in ((State.HELD, message[1].decode()), (State.QUEUED, None))


def test_a_chain_whose_later_task_is_a_job_already_is_held(inbox: Inbox) -> None:
    later = str(uuid4())
    inbox.take(v2("add", 1, 1, id=later))
    inbox.take(v2("add", 1, 1, id="head", embedded={"chain": [sig("add", 3, task_id=later)]}))

    assert "a task that follows it is a job already" in (inbox.job("head").reason or "")


def test_a_message_that_cannot_be_taken_is_set_aside_whole(inbox: Inbox) -> None:
    def stumble(*_: Any) -> None:
        raise TypeError("unforeseen")

    id = str(uuid4())
    message = v2("echo", "x" * 100_000, id=id)
    with celery_inbox.replaced(stumble):
        inbox.take(message)

    assert (inbox.job(id).state, inbox.job(id).body) == (State.HELD, message[1].decode())


def test_other_messages_of_such_a_queue_are_held_as_ever(inbox: Inbox) -> None:
    inbox.take((pika.BasicProperties(), b"by hand"), (None, b"without properties"))

    assert sorted((job.reason or "").partition(":")[0] for job in inbox.held()) == [
        "not a Dramatiq message",
        "not a JSON message of Celery",
    ]
