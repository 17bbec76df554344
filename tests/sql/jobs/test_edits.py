"""edit(): changing a job that waits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from src.jobs import JobsError, State, search
from src.jobs.control.edits import Edit, edit
from src.jobs.core.errors import NotAllowed, UnknownJob
from src.jobs.core.models import Job
from src.jobs.relay.due_jobs import release_due, take_unpublished
from src.jobs.search import texts
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import claim, hired, in_state, look, submitted

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


def test_an_unknown_job_is_unknown(database: Database) -> None:
    with pytest.raises(UnknownJob):
        changed(database, "nobody", Edit(priority=1))


@pytest.mark.both_stores
def test_a_search_finds_the_arguments_that_a_job_has_after_an_edit(database: Database) -> None:
    job = submitted(database, 11_111, 1)
    with database.write() as session, texts.search_fields.replaced(lambda _actor, args, _kwargs: {"x": args[0]}):
        texts.write_new(session)
        edit(session, job.id, Edit(args=[22_222, 1]))
        session.flush()

        found = {word: [one.id for one in search.find(session, search.parse(word)).jobs] for word in ("11111", "22222")}

    assert found == {"11111": [], "22222": [job.id]}
