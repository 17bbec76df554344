"""Admission between a claim and a start: pauses, breakers, concurrency and rate limits."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, update

from src.broker.core.load import Load
from src.jobs import JobsError, State
from src.jobs.control import actions
from src.jobs.core.claimed import Claimed
from src.jobs.core.envelopes import Envelope
from src.jobs.core.models import Job, Worker
from src.jobs.finish.settle import BreakerReport
from src.jobs.leases import claims, workers
from src.jobs.limits import concurrency, overrides, rates
from src.jobs.limits.policies import Policy
from src.jobs.read.queries import find
from src.jobs.relay import due_jobs
from src.jobs.relay.due_jobs import release_due
from src.settings import get_settings
from src.sql.clock import now
from src.sql.columns import to_microseconds
from src.sql.database import Database
from tests.harness.jobs import StillClock, claimed, ended, hired, look, settle, submitted

pytestmark = pytest.mark.both_stores


def at_admission(database: Database, worker: int, ids: Iterable[tuple[str, int]], **policies: Policy) -> list[Claimed]:
    """Claim and admit, in one transaction as a worker does; return who may start."""
    with database.write() as session:
        claimed = claims.claim(session, worker, list(ids))
        return claims.admit(session, claimed, policies)


def queued_again(database: Database) -> list[tuple[str, int]]:
    """Return the messages that the relay would publish now."""
    with database.write() as session:
        return [(envelope.id, envelope.attempt) for envelope in release_due(session)]


@pytest.mark.parametrize(
    ("text", "rates_meant"),
    [
        ("10/m", [(10, 60)]),
        ("100/h;10/m", [(100, 3600), (10, 60)]),
        ("5 per second", [(5, 1)]),
        ("1/2 minutes", [(1, 120)]),
        ("7/min", [(7, 60)]),
        ("3/s", [(3, 1)]),
    ],
)
def test_a_rate_limit_is_read_as_people_write_it(text: str, rates_meant: list[tuple[int, int]]) -> None:
    assert [(rate.count, rate.period_s) for rate in rates.parse(text)] == rates_meant


@pytest.mark.parametrize("text", ["", "ten per minute", "10", "0/m", "10/fortnight", "-1/s"])
def test_an_invalid_rate_limit_is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(ValueError, match=r"write e\.g\. 10/m"):
        rates.parse(text)


def test_a_job_beyond_the_rate_waits_for_its_slot_and_spends_no_attempt(database: Database, time: StillClock) -> None:
    worker, policy = hired(database), Policy(rates=rates.parse("6/m"))
    ids = [submitted(database, n).id for n in range(3)]

    started = at_admission(database, worker, [(id, 1) for id in ids], add=policy)

    assert [one.id for one in started] == [ids[0]]
    waiting = [look(database, id) for id in ids[1:]]
    assert [(job.state, job.attempt, job.worker_id) for job in waiting] == [(State.SCHEDULED, 0, None)] * 2
    assert "rate limit" in (waiting[0].reason or "")
    delays = [(job.due_at - now()).total_seconds() for job in waiting if job.due_at is not None]
    assert delays == pytest.approx([10.1, 20.2], abs=0.01)


def test_a_job_whose_reserved_slot_has_come_starts_without_asking_again(database: Database, time: StillClock) -> None:
    worker, policy = hired(database), Policy(rates=rates.parse("6/m"))
    ids = [submitted(database, n).id for n in range(2)]
    at_admission(database, worker, [(id, 1) for id in ids], add=policy)

    time.forward(10.2)
    again = queued_again(database)
    started = at_admission(database, hired(database, "here:2"), again, add=policy)

    assert again == [(ids[1], 1)]
    assert [one.id for one in started] == [ids[1]]


def test_a_rate_key_gives_each_key_its_own_limit(database: Database, time: StillClock) -> None:
    worker, policy = hired(database), Policy(rates=rates.parse("1/h"), rate_key=lambda who: who)
    ids = [submitted(database, who).id for who in ("ada", "ben", "ada")]

    started = at_admission(database, worker, [(id, 1) for id in ids], add=policy)

    assert {one.id for one in started} == set(ids[:2])


@pytest.mark.parametrize("named", ["rate_key", "concurrency_key"])
def test_a_job_without_a_key_is_not_limited(database: Database, time: StillClock, named: str) -> None:
    limit = {"rates": rates.parse("1/h")} if named == "rate_key" else {"concurrency": 1}
    policy = Policy(**limit, **{named: lambda who: who})  # type: ignore[arg-type]
    worker, ids = hired(database), [submitted(database, who).id for who in (None, None, "ada", "ada")]

    started = at_admission(database, worker, [(id, 1) for id in ids], add=policy)

    assert {one.id for one in started} == set(ids[:3])


@pytest.mark.parametrize("named", ["rate_key", "concurrency_key"])
def test_long_keys_that_differ_at_their_end_have_limits_of_their_own(database: Database, time: StillClock, named: str) -> None:
    limit = {"rates": rates.parse("1/h")} if named == "rate_key" else {"concurrency": 1}
    policy = Policy(**limit, **{named: lambda url: url})  # type: ignore[arg-type]
    worker, page = hired(database), f"https://example.com/{'a' * 200}?page="
    ids = [submitted(database, f"{page}{number}").id for number in (1, 2, 1)]

    started = at_admission(database, worker, [(id, 1) for id in ids], add=policy)

    assert {one.id for one in started} == set(ids[:2])


def test_of_jobs_claimed_together_the_first_submitted_starts(database: Database, time: StillClock) -> None:
    worker, policy = hired(database), Policy(rates=rates.parse("1/h"))
    ids = [submitted(database).id for _ in range(3)]

    with database.write() as session:
        claimed = sorted(claims.claim(session, worker, [(id, 1) for id in ids]), key=lambda one: -one.seq)
        started = claims.admit(session, claimed, {"add": policy})

    assert [one.id for one in started] == ids[:1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrivals=st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 5)), min_size=1, max_size=25),
    count=st.integers(1, 8),
    period=st.integers(1, 3),
)
def test_no_window_ever_sees_more_starts_than_the_rate_allows(
    database: Database, time: StillClock, arrivals: list[tuple[int, int]], count: int, period: int
) -> None:
    """Against brute force: every slot granted, whether now or later, counted in every window of the period."""
    rate, key = rates.Rate(count, period), f"k{arrivals!r}{count}{period}"[:200]
    starts: list[int] = []
    with database.write() as session:
        for pause_ms, jobs in arrivals:
            time.forward(pause_ms / 1000)
            granted = rates.reserve(session, [(key, jobs, rate.spacing_us)], to_microseconds(now()))[key]
            starts.extend(slot.at_us for slot in granted if slot.reserved)
        session.rollback()

    starts.sort()
    for first in starts:
        assert sum(first <= start < first + period * 1_000_000 for start in starts) <= count
    assert all(later - earlier >= rate.spacing_us for earlier, later in pairwise(starts))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stalls_ms=st.lists(st.integers(1, 2_500), min_size=1, max_size=12),
    jobs=st.integers(1, 20),
    count=st.integers(1, 8),
    period=st.integers(1, 2),
)
def test_no_window_sees_more_starts_than_the_rate_allows_however_late_jobs_come(
    database: Database, stalls_ms: list[int], jobs: int, count: int, period: int
) -> None:
    """Against brute force: deliveries stall again and again, then arrive all at once."""
    rate, present_us, starts = rates.Rate(count, period), 1_000_000_000, []
    with database.write() as session:
        slots = rates.reserve(session, [("late", jobs, rate.spacing_us)], present_us)["late"]
        due = [slot.at_us for slot in slots]
        for number in range(2_000):
            line = rates.Starts(session, {"late"})
            brought, due = [at for at in due if at <= present_us], [at for at in due if at > present_us]
            for _ in sorted(brought):
                may_us = line.admit([("late", rate)], present_us)
                if may_us is None:
                    starts.append(present_us)
                else:
                    due.append(may_us)
            line.note()
            if not due:
                break
            present_us = max(present_us + stalls_ms[number % len(stalls_ms)] * 1000, min(due))
        session.rollback()

    assert len(starts) == jobs
    for first in starts:
        assert sum(first <= start < first + period * 1_000_000 for start in starts) <= count


def test_jobs_delayed_by_a_stall_start_one_by_one_within_the_rate_of_every_window(database: Database, time: StillClock) -> None:
    policy, starts = Policy(rates=rates.parse("10/m")), []
    brought = [(submitted(database).id, 1) for _ in range(12)]
    for pause_s in (0, 20, *([1] * 90)):
        time.forward(pause_s)
        brought += queued_again(database)
        # A worker of its own each time: the previous one's lease has expired.
        starts += [to_microseconds(now())] * len(at_admission(database, hired(database), brought, add=policy))
        brought = []

    assert len(starts) == 12
    assert max(sum(first <= start < first + 60_000_000 for start in starts) for first in starts) <= 10


def test_a_concurrency_limit_lets_so_many_start_and_the_end_of_one_calls_the_next(database: Database, time: StillClock) -> None:
    worker, policy = hired(database), Policy(concurrency=1, concurrency_key=lambda key: key)
    ids = [submitted(database, key).id for key in ("a", "a", "b")]

    started = at_admission(database, worker, [(id, 1) for id in ids], add=policy)
    assert {one.id for one in started} == {ids[0], ids[2]}
    assert "the only slot" in (look(database, ids[1]).reason or "")

    first = next(one for one in started if one.id == ids[0])
    settle(database, worker, ended(first, has_slots=first.has_slots))
    assert look(database, ids[1]).state is State.QUEUED


def test_a_slot_that_a_job_cannot_use_before_its_turn_goes_to_the_next(database: Database, time: StillClock) -> None:
    worker, policy = hired(database), Policy(rates=rates.parse("1/h"), rate_key=lambda customer: customer, concurrency=1)
    busy = [submitted(database, "anna").id for _ in range(4)]
    [first] = at_admission(database, worker, [(busy[0], 1)], add=policy)
    settle(database, worker, ended(first, has_slots=True))
    free = [submitted(database, "berta").id, submitted(database, "carla").id]

    started = at_admission(database, worker, [(id, 1) for id in [*busy[1:], *free]], add=policy)

    assert [one.id for one in started] == free[:1]
    assert all("rate limit" in (look(database, id).reason or "") for id in busy[1:])
    assert "the only slot of" in (look(database, free[1]).reason or "")


def test_a_job_called_for_a_slot_that_it_cannot_use_calls_the_next(database: Database, time: StillClock, published: list[Envelope]) -> None:
    worker, policy = hired(database), Policy(rates=rates.parse("1/h"), rate_key=lambda customer: customer, concurrency=1)
    ids = [submitted(database, customer).id for customer in ("anna", "anna", "anna", "berta")]
    [first] = at_admission(database, worker, [(id, 1) for id in ids], add=policy)
    published.clear()
    settle(database, worker, ended(first, has_slots=True))

    started = [at_admission(database, worker, [(envelope.id, envelope.attempt)], add=policy) for envelope in published]

    assert [envelope.id for envelope in published] == ids[1:]
    assert [one.id for admitted in started for one in admitted] == ids[3:]


@pytest.mark.parametrize("have_turns", [False, True])
def test_jobs_that_wait_for_one_rate_are_refused_a_slot_with_few_statements(database: Database, time: StillClock, have_turns: bool) -> None:
    """A statement for each would hold the locks of the limits for long."""
    policy = Policy(rates=rates.parse("60/m"), rate_key=lambda customer: customer, concurrency=1)
    worker, busy = hired(database), [submitted(database, "anna").id for _ in range(40)]
    if have_turns:  # and come together after a stall
        with database.write() as session:
            session.execute(update(Job).where(Job.id.in_(busy[1:])).values(slot_at=now()))
    [first] = at_admission(database, worker, [(busy[0], 1)], add=policy)
    settle(database, worker, ended(first, has_slots=True))
    free, executed = submitted(database, "berta").id, []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        executed.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    started = at_admission(database, worker, [(id, 1) for id in [*busy[1:], free]], add=policy)
    event.remove(database.engine, "before_cursor_execute", note)

    assert [one.id for one in started] == [free]
    assert len(executed) < 30
    assert all("rate limit" in (look(database, id).reason or "") for id in busy[1:])


@pytest.mark.parametrize("reason", ["slot of actor:add:anna", "circuit breaker", "paused"])
def test_a_queue_slot_that_the_called_job_cannot_use_goes_to_the_next(
    database: Database, time: StillClock, published: list[Envelope], reason: str
) -> None:
    policy = Policy(concurrency=1, concurrency_key=lambda customer: customer, breaker=True)
    with database.write() as session:
        overrides.set_concurrency(session, "queue", "default", 2)
    worker, other = hired(database), Policy()
    first = at_admission(database, worker, [(submitted(database, name).id, 1) for name in ("berta", "carla")], add=policy)
    ids = [submitted(database, "anna").id, submitted(database, "anna").id, submitted(database, actor="other").id]
    assert at_admission(database, worker, [(id, 1) for id in ids], add=policy, other=other) == []
    published.clear()
    if reason == "paused":
        with database.write() as session:
            overrides.pause(session, "actor", "add")
    failed = BreakerReport("add", True, 1, 60) if reason == "circuit breaker" else None
    for one in first:
        settle(database, worker, ended(one, State.DEAD, has_slots=True, breaker=failed))

    started = [
        one.id
        for envelope in published  # which grows
        for one in at_admission(database, worker, [(envelope.id, envelope.attempt)], add=policy, other=other)
    ]

    assert [envelope.id for envelope in published] == ids
    assert started[-1] == ids[2]
    assert reason in (look(database, ids[1]).reason or "")


def test_a_slot_of_one_key_does_not_wait_for_the_probe_of_another(database: Database, time: StillClock) -> None:
    policy = Policy(breaker=True, concurrency=1, concurrency_key=lambda customer: customer)
    worker, ids = hired(database), [submitted(database, customer).id for customer in ("anna", "anna", "berta")]
    [running] = at_admission(database, worker, [(ids[0], 1)], add=policy)
    settle(database, worker, ended(claimed(database, worker, "carla"), State.DEAD, breaker=BreakerReport("add", True, 1, 60)))
    time.forward(61)
    worker = hired(database, "here:2")

    probes = at_admission(database, worker, [(id, 1) for id in ids[1:]], add=policy)

    assert [(one.id, one.is_probe) for one in probes] == [(ids[2], True)]
    assert "the only slot" in (look(database, ids[1]).reason or "")
    assert running.has_slots


def test_a_slot_of_a_killed_worker_comes_back_with_its_lease(database: Database, time: StillClock) -> None:
    worker, policy = hired(database), Policy(concurrency=1)
    ids = [submitted(database, n).id for n in range(2)]
    at_admission(database, worker, [(id, 1) for id in ids], add=policy)

    time.forward(get_settings().lease_duration + 1)
    with database.write() as session:
        workers.take_over(session)
        assert concurrency.taken(session, ["actor:add"]).total() == 0
    assert look(database, ids[1]).state is State.QUEUED


def test_two_claims_at_once_never_take_one_slot_twice(database: Database) -> None:
    policy, barrier, started = Policy(concurrency=3), threading.Barrier(4), []
    ids = [submitted(database, n).id for n in range(12)]

    def claim(number: int) -> None:
        worker = hired(database, f"here:{number}")
        barrier.wait()
        started.extend(at_admission(database, worker, [(id, 1) for id in ids[number::4]], add=policy))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 3


@pytest.mark.parametrize(("scope", "name"), [("actor", "add"), ("queue", "default"), ("all", "")])
def test_a_pause_keeps_jobs_waiting_until_somebody_resumes(database: Database, scope: str, name: str) -> None:
    worker, id = hired(database), submitted(database).id
    with database.write() as session:
        overrides.pause(session, scope, name, reason="deploy")

    assert at_admission(database, worker, [(id, 1)]) == []
    job = look(database, id)
    assert (job.state, job.due_at, job.attempt) == (State.SCHEDULED, None, 0)
    assert "paused: deploy" in (job.reason or "")

    with database.write() as session:
        assert overrides.resume(session, scope, name) == 1
    assert [one.id for one in at_admission(database, worker, queued_again(database))] == [id]


def test_a_pause_with_an_end_ends_by_itself(database: Database, time: StillClock) -> None:
    worker, id = hired(database), submitted(database).id
    with database.write() as session:
        overrides.pause(session, "actor", "add", until=now() + timedelta(minutes=5))

    assert at_admission(database, worker, [(id, 1)]) == []
    time.forward(301)
    assert [one.id for one in at_admission(database, hired(database), queued_again(database))] == [id]


@pytest.mark.parametrize(("scope", "name", "field"), [("actors", "add", "scope"), ("actor", "", "name"), ("all", "add", "name")])
def test_a_pause_of_nothing_in_particular_is_refused(database: Database, scope: str, name: str, field: str) -> None:
    with pytest.raises(JobsError) as refused, database.write() as session:
        overrides.pause(session, scope, name)
    assert refused.value.field == field


def test_an_operator_overrides_a_rate_and_the_code_holds_again_afterwards(database: Database, time: StillClock) -> None:
    worker, policy = hired(database), Policy(rates=rates.parse("1/h"))
    ids = [submitted(database, n).id for n in range(4)]
    with database.write() as session:
        overrides.set_rate_limit(session, "actor", "add", None)
    assert len(at_admission(database, worker, [(id, 1) for id in ids[:2]], add=policy)) == 2

    with database.write() as session:
        overrides.follow_code(session, "actor", "add", "rate_limit")
    assert len(at_admission(database, worker, [(id, 1) for id in ids[2:]], add=policy)) == 1


def test_the_probe_of_a_job_that_waits_for_its_turn_is_due_when_its_turn_comes(database: Database, time: StillClock) -> None:
    """Otherwise the breaker would be asked again only after the turn, and stay open for hours."""
    policy = Policy(breaker=True, probe_every_s=60, rates=rates.parse("30/h"))
    failed, worked = BreakerReport("add", True, 2, 60), BreakerReport("add", False, 2, 60)
    worker, failures, opened_at, closed_at = hired(database), 0, None, None
    again = [(submitted(database, number).id, 1) for number in range(6)]
    while closed_at is None and (opened_at is None or (time.instant - opened_at).total_seconds() < 3_600):
        for one in at_admission(database, worker, again, add=policy):
            time.forward(5)
            if failures < 2:
                failures += 1
                due_us = to_microseconds(now()) + 15_000_000
                settle(database, worker, ended(one, State.RETRYING, breaker=failed, failures=1, due_us=due_us))
                opened_at = time.instant
            elif one.is_probe:
                settle(database, worker, ended(one, breaker=worked))
                closed_at = time.instant
        with database.write() as session:
            session.execute(update(Worker).values(expires_at=now() + timedelta(days=1)))
            due = due_jobs.next_instant(session)
        assert due is not None
        time.instant = max(time.instant, due) + timedelta(milliseconds=20)
        again = queued_again(database)

    assert opened_at is not None
    assert closed_at is not None
    assert (closed_at - opened_at).total_seconds() < 600


def test_a_probe_that_a_job_cannot_be_before_its_turn_goes_to_the_next(database: Database, time: StillClock) -> None:
    """Otherwise the breaker would stay open for the whole period of a busy key."""
    policy = Policy(rates=rates.parse("1/h"), rate_key=lambda customer: customer, breaker=True, probe_every_s=60)
    worker = hired(database)
    [first] = at_admission(database, worker, [(submitted(database, "anna").id, 1)], add=policy)
    settle(database, worker, ended(first, State.DEAD, breaker=BreakerReport("add", True, 1, 60)))
    busy, free = [submitted(database, "anna").id for _ in range(2)], [submitted(database, name).id for name in ("berta", "carla")]
    assert at_admission(database, worker, [(id, 1) for id in [*busy, *free]], add=policy) == []

    time.forward(61)
    worker = hired(database, "here:2")
    probes = at_admission(database, worker, queued_again(database), add=policy)

    assert [(one.id, one.is_probe) for one in probes] == [(free[0], True)]
    assert all("rate limit" in (look(database, id).reason or "") for id in busy)
    assert "circuit breaker" in (look(database, free[1]).reason or "")


def test_a_probe_that_no_job_can_be_yet_is_due_for_the_next_job(database: Database, time: StillClock) -> None:
    policy = Policy(rates=rates.parse("1/h"), rate_key=lambda customer: customer, breaker=True, probe_every_s=60)
    worker = hired(database)
    [first] = at_admission(database, worker, [(submitted(database, "anna").id, 1)], add=policy)
    settle(database, worker, ended(first, State.DEAD, breaker=BreakerReport("add", True, 1, 60)))
    time.forward(61)
    worker = hired(database, "here:2")
    assert at_admission(database, worker, [(submitted(database, "anna").id, 1)], add=policy) == []

    [probe] = at_admission(database, worker, [(submitted(database, "berta").id, 1)], add=policy)

    assert probe.is_probe


def test_an_open_breaker_lets_one_probe_through_and_closes_on_its_success(database: Database, time: StillClock) -> None:
    worker, policy = hired(database), Policy(breaker=True, probe_every_s=60)
    ids = [submitted(database, n).id for n in range(5)]
    failed = BreakerReport("add", True, limit=2, probe_every_s=60)
    for one in at_admission(database, worker, [(id, 1) for id in ids[:2]], add=policy):
        settle(database, worker, ended(one, State.DEAD, breaker=failed))

    assert at_admission(database, worker, [(id, 1) for id in ids[2:]], add=policy) == []
    assert "circuit breaker" in (look(database, ids[2]).reason or "")
    assert look(database, ids[2]).attempt == 0

    time.forward(61)
    worker = hired(database, "here:2")
    probes = at_admission(database, worker, queued_again(database), add=policy)
    assert len(probes) == 1

    settle(database, worker, ended(probes[0], breaker=BreakerReport("add", False, 2, 60)), name="here:2")
    assert len(at_admission(database, worker, queued_again(database), add=policy)) == 2


def test_a_job_that_waits_at_a_gate_can_be_cancelled(database: Database) -> None:
    worker, id = hired(database), submitted(database).id
    with database.write() as session:
        overrides.pause(session, "all")
    at_admission(database, worker, [(id, 1)])

    with database.write() as session:
        actions.cancel(session, id)
        overrides.resume(session, "all")

    assert queued_again(database) == []
    with database.read() as session:
        job = find(session, id)
    assert job is not None
    assert job.state is State.CANCELLED


def test_jobs_that_have_cost_workers_run_one_at_a_time_in_a_process(database: Database, time: StillClock) -> None:
    ids = [submitted(database, n).id for n in range(3)]
    for strike in range(1, get_settings().max_crashes):
        assert len(at_admission(database, hired(database), [(id, strike) for id in ids])) == 3
        time.forward(get_settings().lease_duration + 1)
        with database.write() as session:
            assert workers.take_over(session) == 3
    load, worker = Load(threads=8), hired(database)

    with database.write() as session:
        claimed = claims.claim(session, worker, [(id, get_settings().max_crashes) for id in ids])
        started = claims.admit(session, claimed, {}, take_suspect=load.take_suspect)

    assert len(claimed) == 3
    assert len(started) == 1
    waiting = [look(database, id) for id in ids if id != started[0].id]
    assert {job.state for job in waiting} == {State.SCHEDULED}
    assert "has crashed workers" in (waiting[0].reason or "")
