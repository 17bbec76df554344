"""The read side: find, pages, counts, queues."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from src.jobs import State, Submission, submit_many
from src.jobs.core.errors import AmbiguousId
from src.jobs.core.models import Job
from src.jobs.read.queries import BUT_SUCCEEDED, backlog, counts_but_succeeded, find, find_many, page, queues
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import claimed, hired, in_state, message, submitted

pytestmark = pytest.mark.both_stores


def test_a_job_is_found_by_its_id_or_the_beginning_of_it(database: Database) -> None:
    id = submitted(database).id

    with database.read() as session:
        for text in (id, id[:35], id[:13]):
            found = find(session, text)
            assert found is not None
            assert found.id == id


def test_a_beginning_that_several_jobs_share_is_answered_with_them_and_the_end_tells_them_apart(database: Database) -> None:
    with database.write() as session:
        ids = [f"01234567-89ab-7000-8000-00000000000{digit}" for digit in "01234567"]
        submit_many(session, [Submission(message(id=id)) for id in ids])

    with database.read() as session:
        with pytest.raises(AmbiguousId, match=f"{ids[7]} .add, queued.*and others") as refused:
            find(session, "01234567")
        assert refused.value.candidates == ids[:2:-1]
        for text in ("01234567…0003", "01234567...0003", "01234567-89…3"):
            found = find(session, text)
            assert found is not None
            assert found.id == ids[3]
        assert find(session, "01234567…%") is None
        assert find(session, "01234567…9") is None


def test_too_short_or_foreign_ids_find_nothing(database: Database) -> None:
    with database.write() as session:
        ids = [f"01234567-89ab-7000-8000-00000000000{digit}" for digit in "01"]
        submit_many(session, [Submission(message(id=id)) for id in ids])

    with database.read() as session:
        assert find(session, "0123456") is None
        assert find(session, "%" * 12) is None
        assert find(session, "________") is None
        assert find(session, "") is None
        exact = find(session, ids[1])
        assert exact is not None
        assert exact.id == ids[1]


def test_many_are_found_at_once_and_the_unknown_left_out(database: Database) -> None:
    ids = [submitted(database).id for _ in range(3)]

    with database.read() as session:
        assert {job.id for job in find_many(session, [*ids[:2], "unknown"])} == set(ids[:2])


def test_pages_follow_each_other_newest_first_without_gap_or_repeat(database: Database) -> None:
    ids = [submitted(database, number).id for number in range(7)]
    seen, after = [], None

    with database.read() as session:
        for size in (3, 3, 1):
            found = page(session, after=after, limit=3)
            assert len(found.jobs) == size
            seen += [job.id for job in found.jobs]
            after = found.next

    assert after is None
    assert seen == ids[::-1]


def test_a_page_that_is_exactly_full_is_the_last_one(database: Database) -> None:
    for number in range(3):
        submitted(database, number)

    with database.read() as session:
        assert page(session, limit=3).next is None


def test_jobs_submitted_meanwhile_do_not_shift_the_next_page(database: Database) -> None:
    ids = [submitted(database, number).id for number in range(4)]
    with database.read() as session:
        first = page(session, limit=2)
    submitted(database, "meanwhile")

    with database.read() as session:
        assert [job.id for job in page(session, after=first.next, limit=2).jobs] == [ids[1], ids[0]]


def test_pages_filter_by_state_actor_and_queue_together(database: Database) -> None:
    wanted = submitted(database, actor="mul", queue="mail").id
    submitted(database, actor="mul")
    submitted(database, queue="mail")
    done = in_state(database, State.SUCCEEDED)

    with database.read() as session:
        assert [job.id for job in page(session, actor="mul", queue="mail", state=State.QUEUED).jobs] == [wanted]
        assert [job.id for job in page(session, states=[State.SUCCEEDED, State.DEAD]).jobs] == [done]
        assert page(session, actor="nobody").jobs == []


def test_every_state_is_counted(database: Database) -> None:
    for state in State:
        in_state(database, state)
    in_state(database, State.DEAD)

    with database.read() as session:
        assert counts_but_succeeded(session) == dict.fromkeys(BUT_SUCCEEDED, 1) | {State.DEAD: 2}


def test_queues_tell_what_waits_and_runs_and_since_when(database: Database) -> None:
    oldest = submitted(database, queue="mail").id
    submitted(database, queue="mail")
    claimed(database, hired(database), queue="mail")
    claimed(database, hired(database), queue="busy")
    submitted(database, queue="later", due_at=now() + timedelta(hours=1))

    with database.read() as session:
        busy, mail = queues(session)
        first = find(session, oldest)

    assert first is not None
    assert (busy.queue, busy.queued, busy.running, busy.oldest_queued_at) == ("busy", 0, 1, None)
    assert (mail.queue, mail.queued, mail.running, mail.oldest_queued_at) == ("mail", 2, 1, first.created_at)


def test_a_job_that_was_due_later_waits_since_its_publication(database: Database) -> None:
    published = now() - timedelta(minutes=3)
    for at in (published, None):
        id = submitted(database, queue="mail").id
        values = {"created_at": now() - timedelta(days=2), "due_at": now() - timedelta(minutes=2), "published_at": at}
        with database.write() as session:
            session.execute(update(Job).where(Job.id == id).values(**values, publish_at=None if at else now()))

    with database.read() as session:
        [mail] = queues(session)

    assert (mail.queued, mail.unpublished, mail.settled, mail.oldest_queued_at) == (2, 1, 1, published)


def test_a_message_that_is_published_again_is_neither_settled_nor_a_second_job(database: Database) -> None:
    submitted(database)
    with database.write() as session:
        session.execute(update(Job).values(published_at=now() - timedelta(hours=1), publish_at=now()))

    with database.read() as session:
        [default] = queues(session)

    assert (default.queued, default.unpublished, default.settled) == (1, 1, 0)


def test_the_backlog_of_each_queue_is_counted_by_state(database: Database) -> None:
    for state in State:
        in_state(database, state)
    submitted(database, queue="later", due_at=now() + timedelta(hours=1))

    with database.read() as session:
        found = backlog(session)

    assert found["default"] == dict.fromkeys((State.SCHEDULED, State.RETRYING, State.HELD, State.DEAD), 1)
    assert found["later"] == {State.SCHEDULED: 1}
