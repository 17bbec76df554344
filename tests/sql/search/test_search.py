"""Query results, on both stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from src.jobs import search
from src.jobs.core.models import Attempt, Job, Worker
from src.jobs.core.states import Outcome, State
from src.jobs.read import run_times
from src.jobs.search import QueryError, extent, texts
from src.jobs.search.facets import facets
from src.jobs.search.grammar import quote
from src.jobs.upkeep import retention
from src.sql.clock import now
from src.sql.database import Database, read, write
from tests.harness import plans
from tests.harness.jobs import submitted

pytestmark = pytest.mark.both_stores


def made(database: Database, *args: Any, actor: str = "add", **values: Any) -> str:
    id = submitted(database, *args, actor=actor).id
    if values:
        with write() as session:
            session.execute(update(Job).where(Job.id == id).values(**values))
    return id


def found(text: str, **how: Any) -> set[str]:
    with read() as session:
        return {job.id for job in search.find(session, search.parse(text), **how).jobs}


def test_every_field_finds_what_it_says(database: Database) -> None:
    present = now()
    job = made(
        database, state=State.DEAD, queue="mail", source="form", submitted_by="alice", unique_key="order 7", priority=9, attempt=3,
        error="TimeoutError: no answer from host", created_at=present - timedelta(days=3), started_at=present - timedelta(days=3) + timedelta(minutes=2),
        finished_at=present - timedelta(days=3) + timedelta(minutes=2, seconds=8),
    )  # fmt: skip
    other = made(database, actor="mul")
    day = (present - timedelta(days=3)).astimezone(UTC)
    with write() as session:
        seq = session.execute(select(Job.seq).where(Job.id == job)).scalar_one()
        attempt = {"job_seq": seq, "number": 3, "started_at": present, "finished_at": present, "outcome": Outcome.FAILED}
        session.execute(insert(Attempt).values(worker="web1:77", fingerprint="0123456789abcdef", **attempt))
    for text in (
        "state:dead", "state:failed", "state:dead,held", "-state:queued", "actor:add", "actor:a*", "-actor:mul", "queue:mail", "source:form", "user:alice",
        "user:al*", 'key:"order 7"', "key:order*", "priority:9", "priority:>5", "attempt:3", "attempt:2..4", "attempt:>=3", "is:retried", "error:TimeoutError",
        'error:"no answer"', "error:0123456789abcdef", "worker:web1:77", "worker:web1*", "duration:>5s", "duration:8s", "duration:5s..10s", "-duration:<5s -actor:mul",
        "wait:>1m", "wait:<1h", f"created:{day:%Y-%m-%d}", "created:<2d", "created:5d user:alice", "created:4d..2d", "finished:<1d", "started:<1d", f"id:{job}",
        job, "state:dead actor:add queue:mail user:alice",
    ):  # fmt: skip
        assert found(text) == {job}, text
    for text in (
        "state:held",
        "actor:ad",
        "queue:default user:alice",
        "error:Timeout",
        "created:>2d user:alice",
        "duration:>9s",
        "priority:<9 user:alice",
    ):
        assert job not in found(text), text
    assert found("") == {job, other}
    assert found("actor:add,mul") == {job, other}


def test_arguments_are_searched_before_and_after_their_texts_are_written(database: Database) -> None:
    berlin = made(database, "Berlin Mitte", 1234567)
    paris = made(database, "Paris 100%", {"deep": {"zip": "75001"}})
    wanted = {
        "berlin": {berlin}, '"Berlin Mitte"': {berlin}, "1234567": {berlin}, "23456": {berlin}, "arg.x:\"Berlin Mitte\"": {berlin}, "arg.y:1234567": {berlin},
        "arg.y:123456": set(), "arg.zip:75001": set(), "100%": {paris}, "arg.y.deep.zip:75001": {paris}, "100_": set(), "-berlin": {paris}, "london": set(),
        "arg.x:berlin,75001": set(), '"ris 1" state:queued': {paris},
    }  # fmt: skip
    for text, ids in wanted.items():
        assert found(text) == ids, f"{text} before"
    with write() as session:
        assert texts.write_new(session) == 2
        assert texts.write_new(session) == 0
    for text, ids in wanted.items():
        assert found(text) == ids, f"{text} after"


def test_a_word_is_found_whatever_characters_json_escapes_in_it(database: Database) -> None:
    values = ['say "hi" now', "C:\\temp\\foo", "two\nlines", "tab\there", "ends with back\\", "100% a_b\\c", "two\r\nother"]
    jobs = {value: made(database, value) for value in values}
    for _ in range(2):
        for value, job in jobs.items():
            assert found(quote(value)) == found(f"arg.x:{quote(value)}") == {job}, value
            assert found(f"-{quote(value)}") == set(jobs.values()) - {job}, value
        assert found(r"-C:\temp") == set(jobs.values()) - {jobs[values[1]]}
        with write() as session:
            texts.write_new(session)


def test_secrets_and_arguments_of_unknown_actors_are_never_searched(database: Database) -> None:
    known = submitted(database, actor="add").id
    with write() as session:
        session.execute(update(Job).where(Job.id == known).values(actor="hidden", kwargs={"password": "hunter2", "name": "anna"}))
    strange = made(database, "hunter2", actor="nobody_knows")
    for _ in range(2):
        assert found("anna") == {known}
        assert found("hunter2") == set()
        assert found("nobody_knows") == {strange}
        with write() as session:
            texts.write_new(session)


def test_a_text_committed_late_is_written_and_one_of_a_deleted_job_goes(database: Database) -> None:
    first, second = made(database, "first one"), made(database, "second one")
    with write() as session:
        texts.write_new(session)
        seq = session.execute(select(Job.seq).where(Job.id == first)).scalar_one()
        texts.forget(session, [seq])
    assert found("first") == set()
    with write() as session:
        assert texts.write_new(session) == 1
    assert found("first") == {first}
    with write() as session:
        long_ago = now() - timedelta(days=4000)
        session.execute(update(Job).values(created_at=long_ago))
        session.execute(update(Job).where(Job.id == second).values(state=State.DEAD, finished_at=long_ago))
        assert retention.prune(session) == 1
    assert found("second") == set()
    with write() as session:
        assert texts.write_new(session) == 0


def test_stalled_jobs_are_those_whose_worker_is_silent(database: Database) -> None:
    present = now()
    with write() as session:
        lease = {
            "host": "h",
            "pid": 1,
            "version": "1",
            "threads": 1,
            "queues": [],
            "actors": [],
            "frontier": {},
            "busy": 1,
            "started_at": present,
        }
        for id, heard in ((1, present), (2, present - timedelta(hours=1))):
            session.execute(insert(Worker).values(id=id, name=f"h:{id}", heartbeat_at=heard, expires_at=heard + timedelta(days=1), **lease))
    made(database, state=State.RUNNING, worker_id=1, started_at=present)
    silent = made(database, state=State.RUNNING, worker_id=2, started_at=present)
    forgotten = made(database, state=State.RUNNING, worker_id=None, started_at=present)
    made(database, state=State.DEAD, worker_id=2)
    overdue = made(database, state=State.RETRYING, due_at=present - timedelta(minutes=5))
    made(database, state=State.SCHEDULED, due_at=present + timedelta(minutes=5))

    assert found("is:stalled") == {silent, forgotten}
    assert found("is:overdue") == {overdue}


def ran(id: str, number: int, seconds: float, *, ago: timedelta = timedelta(hours=1), outcome: Outcome = Outcome.FAILED) -> datetime:
    """Record an attempt of a job; return its start."""
    started = now() - ago
    with write() as session:
        seq = session.execute(select(Job.seq).where(Job.id == id)).scalar_one()
        values = {"job_seq": seq, "number": number, "started_at": started, "finished_at": started + timedelta(seconds=seconds)}
        session.execute(insert(Attempt).values(worker="h:1", outcome=outcome, **values))
    return started


def test_the_duration_is_that_of_the_newest_attempt_in_every_state(database: Database) -> None:
    long_ago = now() - timedelta(hours=1)
    present = now()
    ended: dict[str, Any] = {"started_at": long_ago, "finished_at": long_ago + timedelta(seconds=8)}
    succeeded, dead = made(database, state=State.SUCCEEDED, attempt=1, **ended), made(database, state=State.DEAD, attempt=1, **ended)
    cancelled = made(database, state=State.CANCELLED, attempt=2, started_at=long_ago, finished_at=present)
    expired = made(database, state=State.EXPIRED, attempt=1, started_at=long_ago, finished_at=present)
    retrying = made(database, state=State.RETRYING, attempt=1, started_at=long_ago)
    lost = made(database, state=State.QUEUED, attempt=1, started_at=None)
    for id in (cancelled, expired, retrying, lost):
        ran(id, 1, 8 if id != cancelled else 500)
    ran(cancelled, 2, 8)
    running = made(database, state=State.RUNNING, attempt=2, started_at=long_ago)
    ran(running, 1, 8, ago=timedelta(hours=2))
    made(database, state=State.CANCELLED, finished_at=present)
    everything = {succeeded, dead, cancelled, expired, retrying, lost}
    assert found("duration:8s") == everything
    assert found("duration:>9s") == {running}
    with read() as session:
        jobs = list(session.execute(select(Job)).scalars())
        numbers = {job.id: job.seq for job in jobs}
        assert run_times.of(session, jobs) == {numbers[id]: timedelta(seconds=8) for id in everything}
    with plans.recorded(database) as statements, read() as session:
        run_times.of(session, [job for job in jobs if job.state in (State.SUCCEEDED, State.DEAD, State.RUNNING)])
    assert not statements, "most lists need no statement"


def test_an_error_is_found_by_its_type_or_words_of_its_message_in_any_case(database: Database) -> None:
    refused = made(database, state=State.DEAD, error="ConnectionError: Überweisung refused by host_1")
    missing = made(database, state=State.DEAD, error="ValueError: ÜBERTRAG fehlt, 100 % sicher")
    lost = made(database, state=State.DEAD, error="its worker web1:7 was lost")
    bare = made(database, state=State.DEAD, error="TimeoutError")
    everything = {refused, missing, lost, bare}
    wanted = {
        "error:refused": {refused}, "error:REFUSED": {refused}, 'error:"refused by"': {refused}, "error:ConnectionError": {refused}, "error:connectionerror": {refused},
        "error:Connection": set(), "error:Connection*": {refused}, "error:*Error": {refused, missing, bare}, "error:*refused*": {refused}, "error:Refused*": set(),
        'error:"refused * host"': {refused}, "error:Überweisung": {refused}, 'error:"ÜBERTRAG fehlt"': {missing}, "error:sicher": {missing}, "error:host_1": {refused},
        "error:hostx1": set(), "error:its": {lost}, "error:worker": {lost}, "error:Timeout": set(), "error:TimeoutError": {bare},
        "error:ValueError,lost": {missing, lost}, "-error:refused": everything - {refused},
    }  # fmt: skip
    if database.is_sqlite:  # on PostgreSQL the locale of the database says what has cases
        wanted |= {
            "error:überweisung": {refused},
            'error:"übertrag FEHLT"': {missing},
            "error:übertrag": {missing},
            "error:ÜBER": {refused, missing},
        }
    for text, ids in wanted.items():
        assert found(text) == ids, text


def test_pages_follow_each_other_without_gap_or_repetition(database: Database) -> None:
    ids = [made(database) for _ in range(25)]
    seen, after = [], None
    with read() as session:
        while True:
            page = search.find(session, search.parse("actor:add"), after=after, limit=10)
            seen += [job.id for job in page.jobs]
            after = page.next
            if after is None:
                break
    assert seen == ids[::-1]


def test_a_search_whose_time_is_over_says_so_and_goes_on_from_there(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = made(database, submitted_by="needle")  # the first number of all
    for _ in range(30):
        made(database)
    monkeypatch.setattr(extent, "FIRST", 10)
    with read() as session:
        page = search.find(session, search.parse("user:needle"), budget_s=0)
        assert page.jobs == []
        assert page.searched_to is not None
        looks = 1
        while page.next is not None:
            page = search.find(session, search.parse("user:needle"), after=page.next, budget_s=0)
            looks += 1
    assert [job.id for job in page.jobs] == [wanted]
    assert looks == 4


def test_counts_are_by_state_whatever_state_is_asked_for(database: Database) -> None:
    for state in (State.DEAD, State.DEAD, State.SUCCEEDED, State.HELD):
        made(database, state=state)
    made(database, actor="mul", state=State.DEAD)
    with read() as session:
        everything = search.tally(session, search.parse("state:held"))
        adding = search.tally(session, search.parse("actor:add state:dead"))
        exact = search.count(session, search.parse("actor:add -state:held"))
        common = facets(session, search.parse("state:dead"))
    assert everything.states == {**dict.fromkeys(State, 0), State.DEAD: 3, State.SUCCEEDED: 1, State.HELD: 1}
    assert everything.is_whole()
    assert adding.states == {**dict.fromkeys(State, 0), State.DEAD: 2, State.SUCCEEDED: 1, State.HELD: 1}
    assert exact == {State.DEAD: 2, State.SUCCEEDED: 1}
    assert (common.fields["actor"], common.looked_at) == ([("add", 2), ("mul", 1)], 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("state:lost", "There is no state 'lost'"),
        ("attempt:many", "give a whole number"),
        ("duration:5", "give a duration with its unit"),
        ("created:yesteryear", "give a day"),
        ("created:..", "give at least one end"),
        ("is:odd", "stalled, cancelling, overdue, retried"),
        ("ab", "at least 3 characters"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_the_cure(database: Database, text: str, says: str) -> None:
    with read() as session, pytest.raises(QueryError, match=says) as caught:
        search.find(session, search.parse(f"actor:add {text}"))
    assert (caught.value.start, caught.value.end) == (10, 10 + len(text))


def test_days_are_days_of_the_pages_zone(database: Database) -> None:
    job = made(database, created_at=datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert found("created:2026-03-01") == {job}
    assert found("created:2026-03-01T11:00Z..2026-03-01T12:30Z") == {job}
    assert found("created:>2026-03-01") == set()
    assert found("created:>=2026-03-01 created:<2027-01-01") == {job}
    assert found("created:<=2026-03-01") == {job}
    assert found("created:<2026-03-01") == set()


def test_a_word_with_a_long_number_is_found_by_the_trigrams_of_the_number_alone(database: Database) -> None:
    """PostgreSQL would read the lists of the word's trigrams, too, which may hold every job."""
    wanted, _, _ = made(database, "person1234567"), made(database, "customer1234567"), made(database, "person7654321")
    with write() as session:
        texts.write_new(session)
    with plans.recorded(database) as statements:
        assert found("person1234567") == {wanted}
    assert found("1234567 -person1234567") != found("person1234567")
    assert "'%%person1234567%%'" not in " ".join(statements)


def test_a_search_by_schedule_looks_up_the_ticks_of_the_searched_jobs_alone(database: Database) -> None:
    made(database)
    with plans.recorded(database) as statements:
        found("schedule:nightly*")
    [statement] = [each for each in statements if "schedule_ticks" in each]
    with database.engine.connect() as connection:
        verb = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        if not database.is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")
        plan = "\n".join(row[-1] for row in connection.exec_driver_sql(f"{verb} {statement}", statements[statement]))
    assert "ix_schedule_ticks_job" in plan
