"""edit(): changing a job that waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from src.jobs import JobsError, State, search, submit_many
from src.jobs.control.edits import Edit, edit, revise
from src.jobs.core.errors import NotAllowed, UnknownJob
from src.jobs.core.models import Job
from src.jobs.core.states import Unique
from src.jobs.limits import fair_queueing
from src.jobs.options.job_options import JobOptions
from src.jobs.relay.due_jobs import release_due, take_unpublished
from src.jobs.search import texts
from src.jobs.submit import defaults
from src.jobs.submit.defaults import Defaults
from src.jobs.submit.requests import Submission
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import StillClock, claim, claimed, hired, in_state, look, message, submitted

pytestmark = pytest.mark.both_stores


def changed(database: Database, id: str, change: Edit) -> Job:
    with database.write() as session:
        return edit(session, id, change)


def test_the_edited_arguments_are_the_ones_that_run(database: Database) -> None:
    id = submitted(database, 1, 2).id

    changed(database, id, Edit(args=[3], kwargs={"y": 4}))

    one = claim(database, hired(database), id)
    assert one is not None
    assert (one.args, one.kwargs) == ("[3]", '{"y":4}')


def test_a_queued_job_that_is_put_off_does_not_start_by_the_message_that_is_under_way(database: Database) -> None:
    id = submitted(database).id

    changed(database, id, Edit(due_at=now() + timedelta(hours=1)))

    assert claim(database, hired(database), id) is None
    assert look(database, id).state is State.SCHEDULED


def test_a_job_moved_to_the_past_is_due_at_once(database: Database) -> None:
    id = submitted(database, due_at=now() + timedelta(days=300)).id

    changed(database, id, Edit(due_at=now() - timedelta(seconds=1)))

    with database.write() as session:
        assert [envelope.id for envelope in release_due(session)] == [id]


def test_a_queued_job_of_another_priority_is_published_again(database: Database) -> None:
    id = submitted(database).id

    changed(database, id, Edit(priority=9))

    with database.write() as session:
        assert [(envelope.id, envelope.priority) for envelope in take_unpublished(session)] == [(id, 9)]


@pytest.mark.parametrize("state", [State.RUNNING, State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED])
def test_jobs_that_do_not_wait_are_left_alone(database: Database, state: State) -> None:
    id = in_state(database, state)
    before = look(database, id)

    with pytest.raises(NotAllowed, match=state.value):
        changed(database, id, Edit(args=[9], priority=9))

    after = look(database, id)
    assert (after.args, after.priority) == (before.args, before.priority)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (Edit(), "args"),
        (Edit(priority=10), "priority"),
        (Edit(due_at=now().replace(tzinfo=None)), "due_at"),
        (Edit(args=["x" * 2_000_000]), "args"),
    ],
)
def test_a_senseless_edit_is_refused_with_its_field(database: Database, change: Edit, field: str) -> None:
    with pytest.raises(JobsError) as refused:
        changed(database, in_state(database, State.QUEUED), change)
    assert refused.value.field == field


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
@pytest.mark.parametrize(("due_s", "expires_s"), [(60, None), (600, None), (None, 0), (600, 300), (-1, 0)])
def test_an_edit_after_which_a_job_would_expire_before_it_can_start_is_refused(
    database: Database, time: StillClock, state: State, due_s: int | None, expires_s: int | None
) -> None:
    due_at = now() + timedelta(seconds=30) if state is State.SCHEDULED else None
    id = submitted(database, due_at=due_at, expires_at=now() + timedelta(seconds=60)).id
    due, expires = (None if each is None else now() + timedelta(seconds=each) for each in (due_s, expires_s))

    with pytest.raises(JobsError, match="would expire before it can start: give a later expiry") as refused:
        changed(database, id, Edit(due_at=due, expires_at=expires))

    assert refused.value.field == "expires"
    assert (look(database, id).state, look(database, id).due_at) == (state, due_at)


def test_an_expiry_before_the_instant_of_the_row_is_refused_but_not_before_a_turn(database: Database, time: StillClock) -> None:
    due, turn = (submitted(database, due_at=now() + timedelta(hours=1)).id for _ in range(2))
    with database.write() as session:
        session.execute(update(Job).where(Job.id == turn).values(waits_for="rate:actor:add"))
    soon = Edit(expires_at=now() + timedelta(minutes=1))

    with pytest.raises(JobsError, match="would expire before it can start"):
        changed(database, due, soon)
    assert changed(database, turn, soon).expires_at == soon.expires_at


@pytest.mark.parametrize("delay_s", [0, 600])
@pytest.mark.parametrize("move_s", [-60, 300, 7_200])
def test_the_expiry_of_the_actor_counts_from_the_edited_instant(
    database: Database, time: StillClock, declare: Callable[..., None], delay_s: int, move_s: int
) -> None:
    declare(expires_after=timedelta(seconds=60))
    id = submitted(database, due_at=now() + timedelta(seconds=delay_s)).id
    due_at = time.forward(5) + timedelta(seconds=move_s)

    job = changed(database, id, Edit(due_at=due_at))

    assert job.expires_at == max(due_at, now()) + timedelta(seconds=60)


def test_an_expiry_of_its_own_stays_though_the_actor_has_one(database: Database, time: StillClock, declare: Callable[..., None]) -> None:
    declare(expires_after=timedelta(seconds=60))
    own = now() + timedelta(seconds=90)
    id = submitted(database, expires_at=own).id

    assert changed(database, id, Edit(due_at=now() + timedelta(seconds=80))).expires_at == own
    with pytest.raises(JobsError, match="would expire before it can start"):
        changed(database, id, Edit(due_at=now() + timedelta(seconds=100)))


def test_an_unknown_job_is_unknown(database: Database) -> None:
    with pytest.raises(UnknownJob):
        changed(database, "nobody", Edit(priority=1))


@pytest.fixture
def declare() -> Iterator[Callable[..., None]]:
    yield lambda *options, **keys: defaults.declare("add", Defaults(*options, **keys))
    defaults._declared.pop("add", None)


def test_the_key_of_a_unique_actor_follows_the_arguments(database: Database, declare: Callable[..., None]) -> None:
    declare(JobOptions(unique_until=Unique.FINISHED))
    job = submitted(database, "order 1")

    changed(database, job.id, Edit(args=["order 2"], kwargs={}))

    assert submitted(database, "order 2").id == job.id
    assert submitted(database, "order 1").created


def test_new_arguments_whose_key_another_job_has_are_refused(database: Database, declare: Callable[..., None]) -> None:
    declare(JobOptions(unique_until=Unique.FINISHED))
    job, other = submitted(database, "order 1"), submitted(database, "order 2")

    with database.write() as session:
        with pytest.raises(NotAllowed, match=other.id):
            edit(session, job.id, Edit(args=["order 2"], priority=7))
        edit(session, other.id, Edit(priority=8))  # the transaction goes on

    assert (look(database, job.id).args, look(database, job.id).priority) == (["order 1"], 5)
    assert look(database, other.id).priority == 8


def test_a_key_that_was_given_stays(database: Database, declare: Callable[..., None]) -> None:
    declare(JobOptions(unique_until=Unique.FINISHED), fair_by=lambda order: order)
    job = submitted(database, "order 1", unique_key="mine", fair_key="ours")

    changed(database, job.id, Edit(args=["order 2"]))

    after = look(database, job.id)
    assert (after.unique_key, after.fair_key) == ("mine", "ours")


def test_old_arguments_that_make_no_key_do_not_hinder_an_edit(database: Database, declare: Callable[..., None]) -> None:
    job = submitted(database, "not a number")
    declare(JobOptions(unique_until=Unique.FINISHED), unique_by=int)

    changed(database, job.id, Edit(args=["7"]))

    assert look(database, job.id).unique_key is None


def test_a_key_unique_for_a_period_follows_the_arguments(database: Database, declare: Callable[..., None], time: StillClock) -> None:
    declare(JobOptions(unique_for=timedelta(minutes=5)))
    job = submitted(database, "order 1")
    other = submitted(database, "order 3")

    changed(database, job.id, Edit(args=["order 2"]))
    with pytest.raises(NotAllowed, match=other.id):
        changed(database, job.id, Edit(args=["order 3"]))

    assert submitted(database, "order 2").id == job.id
    assert submitted(database, "order 1").created
    time.forward(301)
    changed(database, job.id, Edit(args=["order 3"]))
    assert submitted(database, "order 3").created


def test_new_arguments_without_a_key_free_the_old_one(database: Database, declare: Callable[..., None]) -> None:
    declare(JobOptions(unique_until=Unique.FINISHED), unique_by=lambda order: order, fair_by=lambda order: order)
    job = submitted(database, "order 1")

    assert changed(database, job.id, Edit(args=[None])).unique_key is None
    assert submitted(database, "order 1").created
    again = changed(database, job.id, Edit(args=["order 2"]))

    assert (again.unique_key, again.fair_key) == ("add:order 2", "order 2")


def test_new_arguments_without_a_key_end_the_period_of_the_old_one(database: Database, declare: Callable[..., None]) -> None:
    declare(JobOptions(unique_for=timedelta(minutes=5)), unique_by=lambda order: order)
    job = submitted(database, "order 1")

    changed(database, job.id, Edit(args=[None]))

    assert submitted(database, "order 1").created
    assert changed(database, job.id, Edit(args=["order 2"])).unique_key is None  # a period begins with a submission


def test_a_job_that_waits_for_its_turn_takes_it_among_those_of_its_new_key(database: Database, declare: Callable[..., None]) -> None:
    declare(fair_by=lambda customer: customer)
    with database.write() as session:
        *_, last = submit_many(session, [Submission(message("anna")) for _ in range(fair_queueing.LEAST_WINDOW + 1)])

    changed(database, last.id, Edit(args=["berta"]))

    job = look(database, last.id)
    assert (job.state, job.fair_key, job.waits_for) == (State.SCHEDULED, "berta", fair_queueing.waits_for("default", "berta"))
    assert job.reason == fair_queueing.reason("berta")


@pytest.mark.both_stores
def test_a_running_job_that_revises_its_arguments_keeps_its_key(database: Database, declare: Callable[..., None]) -> None:
    declare(JobOptions(unique_until=Unique.FINISHED))
    one = claimed(database, hired(database), "order 1")
    other = submitted(database, "order 2")

    with database.write() as session:
        revise(session, one.id, one.attempt, Edit(args=["order 2"]))

    assert look(database, one.id).args == ["order 2"]
    assert submitted(database, "order 1").id == one.id
    assert submitted(database, "order 2").id == other.id


@pytest.mark.both_stores
def test_a_search_finds_the_arguments_that_a_job_has_after_an_edit(database: Database) -> None:
    job = submitted(database, 11_111, 1)
    with database.write() as session, texts.search_fields.replaced(lambda _actor, args, _kwargs: {"x": args[0]}):
        texts.write_new(session)
        edit(session, job.id, Edit(args=[22_222, 1]))
        session.flush()

        found = {word: [one.id for one in search.find(session, search.parse(word)).jobs] for word in ("11111", "22222")}

    assert found == {"11111": [], "22222": [job.id]}


@pytest.mark.both_stores
def test_a_process_that_does_not_know_the_actor_leaves_what_a_search_finds(database: Database) -> None:
    job = submitted(database, 11_111, 1)
    with database.write() as session:
        with texts.search_fields.replaced(lambda _actor, args, _kwargs: {"x": args[0]}):
            texts.write_new(session)
        with texts.search_fields.replaced(lambda *_: None):
            texts.rewrite(session, [look(database, job.id).seq])

        assert [one.id for one in search.find(session, search.parse("11111")).jobs] == [job.id]
