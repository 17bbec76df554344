"""submit(): the one way in."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dramatiq import Message
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from src.jobs import JobsError, State, Submission, submit, submit_many
from src.jobs.control.actions import cancel, retry
from src.jobs.core.envelopes import Envelope
from src.jobs.core.errors import IdempotencyConflict
from src.jobs.core.models import Job
from src.jobs.leases import claims
from src.jobs.read.queries import counts_but_succeeded
from src.jobs.relay.confirmations import mark_published
from src.jobs.submit.submission import new_id
from src.settings import get_settings
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import claim, ended, hired, in_state, look, message, settle, submitted

Published = list[Envelope]


def how_many(database: Database) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(Job)).scalar_one()


def test_a_committed_submission_is_a_queued_job_whose_message_was_handed_over(database: Database, published: Published) -> None:
    receipt = submitted(database, 1, 2)

    job = look(database, receipt.id)
    assert (job.state, job.actor, job.queue, job.args, job.attempt) == (State.QUEUED, "add", "default", [1, 2], 0)
    assert receipt.created
    assert [(envelope.id, envelope.attempt) for envelope in published] == [(receipt.id, 1)]


def test_the_message_that_travels_is_a_plain_dramatiq_message(database: Database, published: Published) -> None:
    receipt = submitted(database, 1, "ü", queue="mail")

    arrived = Message.decode(published[0].body)
    assert (arrived.message_id, arrived.actor_name, arrived.queue_name, arrived.args) == (receipt.id, "add", "mail", (1, "ü"))
    assert arrived.options == {"attempt": 1}


def test_a_rolled_back_submission_leaves_no_job_and_no_message(database: Database, published: Published) -> None:
    session = database.session()
    submit(session, message(1))
    session.rollback()
    session.close()

    assert how_many(database) == 0
    assert published == []


def test_nothing_is_handed_over_before_the_commit(database: Database, published: Published) -> None:
    session = database.session()
    submit(session, message(1))
    before = list(published)
    session.commit()
    session.close()

    assert before == []
    assert len(published) == 1


def test_a_session_closed_without_commit_announces_nothing_later(database: Database, published: Published) -> None:
    session = database.session()
    submit(session, message("forgotten"))
    session.close()

    kept = submit(session, message("kept")).id
    session.commit()
    session.close()

    assert [envelope.id for envelope in published] == [kept]


def test_a_savepoint_rolled_back_takes_its_messages_with_it(database: Database, published: Published) -> None:
    with database.write() as session:
        before = submit(session, message("before")).id
        savepoint = session.begin_nested()
        submit(session, message("inside"))
        inner = session.begin_nested()
        submit(session, message("deep inside"))
        inner.commit()
        savepoint.rollback()
        after = submit(session, message("after")).id

    assert how_many(database) == 2
    assert [envelope.id for envelope in published] == [before, after]


def test_a_released_savepoint_announces_once_and_only_at_the_commit(database: Database, published: Published) -> None:
    with database.write() as session:
        with session.begin_nested():
            id = submit(session, message(1)).id
        inside = list(published)

    assert inside == []
    assert [envelope.id for envelope in published] == [id]


def test_many_submissions_keep_their_order_and_are_one_transaction(database: Database, published: Published) -> None:
    with database.write() as session:
        receipts = submit_many(session, [Submission(message(number)) for number in range(1200)])

    assert [look(database, receipts[at].id).args for at in (0, 599, 1199)] == [[0], [599], [1199]]
    assert [envelope.id for envelope in published] == [receipt.id for receipt in receipts]
    assert [envelope.seq for envelope in published] == sorted(envelope.seq for envelope in published)


def test_keys_and_messages_that_come_again_in_a_later_part_lead_to_the_first(database: Database, published: Published) -> None:
    again = message("again")
    wanted = [Submission(message(number)) for number in range(1200)]
    wanted[3] = Submission(message(3), idempotency_key="k")
    wanted[703] = Submission(message(3), idempotency_key="k")
    wanted[5] = Submission(again)
    wanted[1100] = Submission(again)
    with database.write() as session:
        receipts = submit_many(session, wanted)

    assert [at for at, receipt in enumerate(receipts) if not receipt.created] == [703, 1100]
    assert (receipts[703].id, receipts[1100].id) == (receipts[3].id, receipts[5].id)
    assert how_many(database) == len(published) == 1198


def test_one_bad_message_among_many_submits_none(database: Database, published: Published) -> None:
    with pytest.raises(JobsError), database.write() as session:
        submit_many(session, [Submission(message(1)), Submission(message(object())), Submission(message(2))])

    assert how_many(database) == 0
    assert published == []


def test_no_submissions_are_no_jobs(database: Database) -> None:
    with database.write() as session:
        assert submit_many(session, []) == []


def test_a_job_due_later_is_scheduled_and_has_no_message_yet(database: Database, published: Published) -> None:
    due_at = now() + timedelta(days=365)
    receipt = submitted(database, due_at=due_at)

    job = look(database, receipt.id)
    assert (job.state, job.due_at, job.publish_at) == (State.SCHEDULED, due_at, None)
    assert published == []


def test_a_job_due_in_the_past_is_queued_at_once(database: Database) -> None:
    assert submitted(database, due_at=now() - timedelta(seconds=1)).state is State.QUEUED


@pytest.mark.parametrize("field", ["due_at", "expires_at"])
def test_an_instant_without_zone_is_refused(database: Database, field: str) -> None:
    naive: dict[str, Any] = {field: datetime(2030, 1, 1)}  # noqa: DTZ001

    with pytest.raises(JobsError, match="needs a time zone") as refused:
        submitted(database, **naive)

    assert refused.value.field == field


def test_instants_come_back_as_the_same_instant_in_utc(database: Database) -> None:
    due_at = datetime(2100, 2, 28, 23, 59, 59, 123456, tzinfo=UTC)

    assert look(database, submitted(database, due_at=due_at).id).due_at == due_at


# keys


def test_the_same_idempotency_key_leads_to_the_first_job(database: Database, published: Published) -> None:
    first = submitted(database, 1, idempotency_key="form-1")
    second = submitted(database, 1, idempotency_key="form-1")

    assert (second.id, second.created) == (first.id, False)
    assert how_many(database) == 1
    assert len(published) == 1


def test_the_same_idempotency_key_works_after_the_job_has_ended(database: Database) -> None:
    first = submitted(database, 1, idempotency_key="form-1")
    with database.write() as session:
        cancel(session, first.id)

    assert submitted(database, 1, idempotency_key="form-1").id == first.id


@pytest.mark.parametrize("other", [{"args": (2,)}, {"actor": "mul"}])
def test_an_idempotency_key_with_something_else_is_a_conflict(database: Database, other: dict[str, Any]) -> None:
    submitted(database, 1, idempotency_key="form-1")

    with pytest.raises(IdempotencyConflict, match="use a new key") as refused:
        submitted(database, *other.get("args", (1,)), actor=other.get("actor", "add"), idempotency_key="form-1")

    assert refused.value.field == "Idempotency-Key"


def test_one_idempotency_key_twice_in_one_call_is_one_job(database: Database) -> None:
    with database.write() as session:
        receipts = submit_many(session, [Submission(message(1), idempotency_key="k") for _ in range(2)])

    assert [receipt.created for receipt in receipts] == [True, False]
    assert receipts[0].id == receipts[1].id


def test_two_connections_with_one_idempotency_key_make_one_job(database: Database) -> None:
    start = threading.Barrier(4)
    receipts = []

    def submit_at_once() -> None:
        start.wait()
        receipts.append(submitted(database, 1, idempotency_key="form-1"))

    threads = [threading.Thread(target=submit_at_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({receipt.id for receipt in receipts}) == 1
    assert sorted(receipt.created for receipt in receipts) == [False, False, False, True]
    assert how_many(database) == 1


def test_a_unique_key_admits_one_unfinished_job(database: Database) -> None:
    first = submitted(database, 1, unique_key="report")
    second = submitted(database, 2, unique_key="report")

    assert (second.id, second.created) == (first.id, False)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED])
def test_a_unique_key_is_free_again_when_its_job_has_ended(database: Database, state: State) -> None:
    first = in_state(database, state, unique_key="report")

    second = submitted(database, unique_key="report")

    assert second.created
    assert second.id != first


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED, State.RUNNING, State.RETRYING, State.HELD])
def test_a_unique_key_is_taken_while_its_job_waits_or_runs(database: Database, state: State) -> None:
    first = in_state(database, state, unique_key="report")

    assert submitted(database, unique_key="report").id == first


@pytest.mark.both_stores
def test_a_message_submitted_twice_is_one_job(database: Database) -> None:
    one = message(1)
    with database.write() as session:
        first = submit(session, one)
    with database.write() as session:
        second = submit(session, one)

    assert (second.id, second.created) == (first.id, False)


@pytest.mark.parametrize("field", ["unique_key", "idempotency_key", "submitted_by"])
@pytest.mark.parametrize("value", ["x" * 256, "a\x00b", "\ud800"])
def test_a_key_that_no_store_can_hold_is_refused(database: Database, field: str, value: str) -> None:
    with pytest.raises(JobsError, match="1 to 255 characters") as refused:
        submitted(database, **{field: value})

    assert refused.value.field == field


# storable values


VALUES: list[Any] = [
    "",
    "\x00",
    "a\x00b",
    "𝄞 ü 😀 \u2028 \\ud800",
    10**400,
    -(2**63) - 1,
    1e308,
    float("inf"),
    0.1,
    True,
    None,
    [],
    {},
    {"": [{"deep": [1, [2, [3]]]}]},
]


@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_json_values_come_back_exactly(database: Database, published: Published, value: Any) -> None:
    id = submitted(database, value).id

    found = look(database, id).args[0]
    claimed = claim(database, hired(database), id)
    assert claimed is not None
    assert (found, type(found)) == (value, type(value))
    assert json.loads(claimed.args) == [value]
    assert json.loads(published[0].body)["args"] == [value]


def test_nan_comes_back_as_nan(database: Database) -> None:
    found = look(database, submitted(database, float("nan")).id).args[0]

    assert found != found


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"bytes", datetime.now(UTC), {(1, 2): 3}, "\ud800 lone"], ids=lambda v: type(v).__name__
)
def test_values_without_json_are_refused_with_the_cure(database: Database, value: Any) -> None:
    with pytest.raises(JobsError, match=r"cannot be written as JSON .* pass text, numbers") as refused:
        submitted(database, value)

    assert refused.value.field == "args"


def test_a_value_that_contains_itself_is_refused(database: Database) -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(JobsError, match="cannot be written as JSON"):
        submitted(database, endless)


@pytest.mark.parametrize("depth", [300, 950, 100_000])
def test_nesting_that_a_worker_could_not_read_is_refused(database: Database, depth: int) -> None:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]

    with pytest.raises(JobsError, match="nested"):
        submitted(database, deep)


def test_many_brackets_are_not_deep_nesting(database: Database) -> None:
    value = [[number] for number in range(1000)]

    assert look(database, submitted(database, value, "[" * 1000).id).args == [value, "[" * 1000]


def test_arguments_over_the_limit_are_refused_and_say_what_to_do(database: Database) -> None:
    limit = get_settings().max_message_bytes

    with pytest.raises(JobsError, match=rf"at most {limit} are kept: pass an id"):
        submitted(database, "x" * limit)


@pytest.mark.parametrize(
    ("names", "field"),
    [
        ({"actor": ""}, "actor"),
        ({"actor": "x" * 256}, "actor"),
        ({"actor": "a\x00b"}, "actor"),
        ({"actor": "\ud800"}, "actor"),
        ({"id": "x" * 256}, "id"),
        ({"id": "a\x00b"}, "id"),
        ({"id": "\udfff"}, "id"),
        ({"queue": ""}, "queue"),
        ({"queue": "no spaces"}, "queue"),
        ({"queue": "default.DQ"}, "queue"),
        ({"queue": "default.XQ"}, "queue"),
        ({"queue": "q\n"}, "queue"),
        ({"queue": "x" * 201}, "queue"),
    ],
)
def test_a_name_that_cannot_be_kept_is_refused_at_its_field(database: Database, names: dict[str, str], field: str) -> None:
    with pytest.raises(JobsError) as refused, database.write() as session:
        submit(session, message(1, **names))

    assert refused.value.field == field


@pytest.mark.parametrize("priority", [-1, 10])
def test_a_priority_outside_of_its_range_is_refused(database: Database, priority: int) -> None:
    with pytest.raises(JobsError, match="between 0 and 9"):
        submitted(database, priority=priority)


def test_options_that_only_say_how_to_submit_are_not_kept(database: Database) -> None:
    with database.write() as session:
        id = submit(session, message(1, eta=5, attempt=7, retries=3, max_retries=2, time_limit=None)).id

    assert look(database, id).options == {"max_retries": 2}


# publication


def test_a_confirmed_message_is_marked_published(database: Database, published: Published) -> None:
    id = submitted(database).id

    with database.write() as session:
        mark_published(session, published)

    job = look(database, id)
    assert job.publish_at is None
    assert job.published_at is not None


def test_a_mark_does_not_wait_for_the_disk(database: Database, published: Published) -> None:
    submitted(database)
    if database.is_sqlite:
        return

    def carefulness(session: Session) -> str:
        return str(session.connection().exec_driver_sql("SHOW synchronous_commit").scalar_one())

    with database.write() as session:
        session.connection().exec_driver_sql("SET LOCAL synchronous_commit TO on")  # the tests' own server has it off
        mark_published(session, published)
        assert carefulness(session) == "off"


def test_a_late_mark_leaves_a_job_alone_that_has_moved_on(database: Database, published: Published) -> None:
    id = submitted(database).id
    claim(database, hired(database), id)

    with database.write() as session:
        mark_published(session, published)

    assert look(database, id).published_at is None


def test_a_mark_waits_for_no_claim_so_that_the_two_never_wait_for_each_other(database: Database, published: Published) -> None:
    """A claim takes rows in the order of their ids, a mark in that of their numbers: on PostgreSQL every other pair deadlocked."""
    worker, ids = hired(database), [submitted(database).id for _ in range(3)]
    if database.is_sqlite:
        return  # one writer at a time: there is no other transaction to wait for

    with database.write() as claiming, database.write() as marking:
        assert claims.claim(claiming, worker, [(ids[1], 1)])
        marking.execute(text("SET LOCAL lock_timeout = '2s'"))
        mark_published(marking, published)

    states = [(job.state, job.published_at is None) for job in (look(database, id) for id in ids)]
    assert states == [(State.QUEUED, False), (State.RUNNING, True), (State.QUEUED, False)]


def test_a_mark_of_an_earlier_attempt_does_not_count_for_the_next(database: Database, published: Published) -> None:
    worker = hired(database)
    id = submitted(database).id
    claimed = claim(database, worker, id)
    assert claimed is not None
    settle(database, worker, ended(claimed, State.DEAD))
    with database.write() as session:
        retry(session, id)

    with database.write() as session:
        mark_published(session, published[:1])

    assert look(database, id).publish_at is not None


def test_later_ids_sort_later_and_never_repeat() -> None:
    ids = [new_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert ids[0][:8] <= ids[-1][:8]
    assert all(id[14] == "7" for id in ids)


def test_counts_name_every_state_but_succeeded(database: Database) -> None:
    submitted(database)
    with database.read() as session:
        found = counts_but_succeeded(session)

    assert found[State.QUEUED] == 1
    assert set(found) == set(State) - {State.SUCCEEDED}
