"""Messages of other producers, whatever their fields hold: each is handled, and the jobs beside it are claimed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from src.broker.consume.claimer import Claimer, Taken
from src.broker.consume.deliveries import Arrival
from src.broker.consume.left_waiting import LeftWaiting
from src.broker.core.lease import Lease
from src.broker.core.load import Load
from src.broker.options.limits import Limits
from src.jobs import State
from src.jobs.control import held
from src.jobs.core.models import Job, Restore
from src.jobs.leases import claims
from src.jobs.submit.submission import new_id
from src.settings import get_settings
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import hired, look, submitted

pytestmark = pytest.mark.both_stores

#: one value of each JSON type, and those at which parsers and databases stumble
VALUES: list[Any] = [
    None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**400, -(10**400), 0.5, 1e300, float("nan"), float("inf"), "", "1", "x" * 300, "\x00", "\ud800",
    "../a", "a/b?c#d%25", "ü\U0001f3ad\u2028", [], [1], [[]], {}, {"a": 1}, {"\x00": "\ud800"},
]  # fmt: skip
FIELDS = ("queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp", "unknown")
OPTIONS = (
    "attempt", "retries", "eta", "max_retries", "time_limit", "traceparent", "group_completion_uuid", "scheduled_for", "priority",
    "pipe_target", "group_completion_callbacks",
)  # fmt: skip


def body(**fields: Any) -> bytes:
    whole = {
        "queue_name": "default", "actor_name": "add", "args": [1], "kwargs": {}, "options": {}, "message_id": new_id(), "message_timestamp": 1,
    }  # fmt: skip
    return json.dumps({**whole, **fields}).encode()


def foreign() -> list[bytes]:
    bodies = [body(**{field: value}) for field in FIELDS for value in VALUES]
    bodies += [body(options={option: value}) for option in OPTIONS for value in VALUES]
    texts = ('"häßlich"', "[1, 2", "{}", "nichts", '{"args": []}', "1" * 10_000, "NaN", '{"message_timestamp": 1e400}')
    bodies += [text.encode(encoding) for text in texts for encoding in ("latin-1", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp037")]
    return [*bodies, b"", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"[" * 100_000, b'{"a":' * 5_000, body() + b"x", body()[:-1]]


def intake(database: Database) -> Claimer:
    actors = {"add": SimpleNamespace(queue_name="default")}
    return Claimer(Lease("here:1", hired(database)), Load(8), "default", actors=actors, policies=Limits().policies)


def take(intake: Claimer, bodies: Sequence[bytes]) -> Taken:
    return intake.take([Arrival(1, tag, False, each) for tag, each in enumerate(bodies, 1)])


def of(database: Database, *ids: str) -> list[bytes]:
    """The messages of jobs as they are published."""
    return [body(args=[], message_id=id, options={"attempt": 1}) for id in ids]


def test_a_message_whose_claim_the_database_has_lost_starts_nothing_while_its_job_runs_here(database: Database) -> None:
    """PostgreSQL, when killed, forgets its last claims, and RabbitMQ may deliver their messages again before this process repeats them."""
    running, waiting = submitted(database).id, submitted(database).id
    lease = Lease("here:1", hired(database))
    actors = {"add": SimpleNamespace(queue_name="default")}
    here = Claimer(lease, Load(8), "default", actors=actors, policies=Limits().policies)
    lease.held[look(database, running).seq, 1] = running

    taken = take(here, of(database, running, waiting))

    assert [one.id for one, _ in taken.claimed] == [waiting]
    assert [arrival.tag for arrival in taken.done_with] == [1]
    assert look(database, running).state is State.RUNNING


def test_a_job_that_runs_here_is_not_left_waiting(database: Database) -> None:
    running = look(database, submitted(database).id).seq
    with database.write() as session:
        session.execute(update(Job).values(publish_at=None, published_at=now() - timedelta(minutes=1)))
    waiting = {(running, 1)}
    assert LeftWaiting(set()).is_in("default", 5)
    assert not LeftWaiting(waiting).is_in("default", 5)


def kept(database: Database) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(Job)).scalar_one()


@pytest.mark.parametrize("policy", ["hold", "run"])
@pytest.mark.parametrize("restored", [False, True], ids=["", "after a restore"])
def test_every_field_with_every_value_stops_no_job(
    database: Database, policy: str, restored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBOARD_FOREIGN_MESSAGES", policy)
    get_settings.cache_clear()
    if restored:
        with database.write() as session:
            session.execute(insert(Restore).values(restored_at=now(), made_at=now(), file="x"))
    here = intake(database)
    bodies = foreign()
    known = {json.loads(each)["message_id"] for each in bodies if b'"message_id": "' in each and each.endswith(b"}")}
    ours = [submitted(database).id for _ in range(3)]

    taken = take(here, [*bodies, *of(database, *ours)])

    assert {one.id for one, _ in taken.claimed} == set(ours)
    assert len(taken.done_with) == len(bodies)
    assert kept(database) >= len(known)
    with database.read() as session:
        assert session.execute(select(Job.reason).where(Job.reason.contains("could not be kept"))).scalars().all() == []


def test_true_is_no_number_of_an_attempt(database: Database) -> None:
    here = intake(database)
    id = submitted(database).id

    taken = take(here, [body(message_id=id, options={"attempt": True}), body(message_id="other", options={"attempt": True})])

    assert [one.id for one, _ in taken.claimed] == [id]
    assert look(database, "other").state is State.HELD


def test_a_message_that_cannot_be_kept_is_set_aside_alone(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(session: Any, messages: Sequence[Any], *, run: bool) -> None:
        if any(message.message_id == "bad" for _, message in messages):
            raise TypeError("unforeseen")
        keep(session, messages, run=run)

    keep = held.hold_foreign
    monkeypatch.setattr(held, "hold_foreign", stumble)
    here = intake(database)
    ours = [submitted(database).id for _ in range(3)]
    here._is_watched = False  # as after an earlier claim: what is claimed is committed before the rest is looked at

    taken = take(here, [*of(database, *ours[:2]), body(message_id="bad"), body(message_id="good"), *of(database, ours[2])])

    assert sorted(one.id for one, _ in taken.claimed) == sorted(ours)
    assert {one.attempt for one, _ in taken.claimed} == {1}
    assert len(taken.done_with) == 2
    assert look(database, "good").state is State.HELD
    with database.read() as session:
        aside = session.execute(select(Job).where(Job.held_for == "unreadable")).scalars().one()
        assert not claims.is_known(session, "bad")
    assert aside.reason == "not a Dramatiq message: it could not be kept (TypeError)"
