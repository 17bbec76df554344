"""Bulk actions and re-runs: confirmed, executed, cancelled, audited."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, insert, select, update

from src import audit
from src.actors.arithmetic import add
from src.actors.bulk import act_on_jobs
from src.jobs import State, search
from src.jobs.attempts.current_job import RunningJob, current_job
from src.jobs.control import bulk
from src.jobs.control.bulk import AT_ONCE, Verb
from src.jobs.core.errors import CancelRequested, NotAllowed
from src.jobs.core.models import Job, Worker
from src.jobs.options.job_options import JobOptions
from src.jobs.search import extent, texts
from src.jobs.submit import defaults, reruns
from src.jobs.submit.defaults import Defaults
from src.jobs.submit.submission import new_id, submit
from src.operations.people.roles import Role
from src.settings import get_settings
from src.sql.clock import clock, now
from src.sql.database import Database, read, write
from tests.harness.jobs import StillClock
from tests.harness.site import Site, in_words

pytestmark = pytest.mark.both_stores


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    still = StillClock()
    monkeypatch.setattr(clock, "now", still.now)
    return still


def fill(number: int, *, state: State = State.DEAD, actor: str = "add", **values: Any) -> None:
    """So many jobs, straight into the table."""
    common: dict[str, Any] = {
        "actor": actor,
        "queue": "default",
        "state": state,
        "args": [1, 2],
        "kwargs": {},
        "options": {},
        "source": "api",
    }
    moment = {"created_at": now(), "finished_at": now() if state.is_final else None}
    rows = [
        {"id": new_id(), "attempt": 1, "failures": 1, "crashes": 0, "cancel_requested": False, "priority": 5, **common, **moment, **values}
        for _ in range(number)
    ]
    with write() as session:
        session.execute(insert(Job), rows)


def counts(query: str = "actor:add") -> dict[State, int]:
    with read() as session:
        return search.count(session, search.parse(query))


def carry_out(**changed: Any) -> dict[str, Any]:
    """Run the newest bulk job here, as a worker would."""
    with read() as session:
        job = session.execute(select(Job).where(Job.actor == act_on_jobs.actor_name).order_by(Job.seq.desc()).limit(1)).scalar_one()
    running = RunningJob(
        seq=job.seq, id=job.id, actor=job.actor or "", queue=job.queue, attempt=1, worker="here:1", scheduled_for=None, open_session=None
    )
    current_job.job = running
    try:
        result: dict[str, Any] = act_on_jobs.fn(**{**job.kwargs, **changed})
    finally:
        current_job.job = None
    assert running.progress_seen is not None
    return result


def lines(action: str) -> int:
    with read() as session:
        return session.execute(select(func.count()).select_from(audit.AuditEntry).where(audit.AuditEntry.action == action)).scalar_one()


@pytest.mark.long
def test_all_matching_jobs_are_retried_after_their_number_was_typed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extent, "FIRST", 200)  # more jobs than the search looks at in one stretch
    fill(312)
    fill(20, actor="mul")
    fill(7, state=State.SUCCEEDED)
    visit = site.browser(Role.OPERATOR)
    assert "All 319 matching" in visit.get("/jobs?q=actor:add").text
    path = "/jobs/many?verb=retry&scope=all&q=actor:add"
    said = in_words(visit.get(path).text)
    assert "Retry jobs whose actor is add ." in said
    assert "dead 312" in said
    assert "succeeded 7 skipped" in said
    form = visit.hidden(path, action="/jobs/many")
    wrong = visit.client.post("/jobs/many", data={**form, "typed": "311"})
    assert wrong.status_code == 422
    assert "Type 312, the number of jobs, to continue" in in_words(wrong.text)
    assert counts("actor:act_on_jobs") == {}
    answer = visit.client.post("/jobs/many", data={**form, "typed": "312"})
    assert answer.status_code == 303
    assert in_words(visit.get(answer.location).text).count("retry") >= 1
    fill(3)  # came later: not meant

    result = carry_out()

    assert (result["done"], result["left_alone"]) == (312, 0)
    assert counts() == {State.QUEUED: 312, State.SUCCEEDED: 7, State.DEAD: 3}
    assert counts("actor:mul") == {State.DEAD: 20}
    assert lines("job.retry") == 312
    assert lines("bulk.start") == 1
    assert carry_out()["done"] == 312  # a second copy of the message knows what the first has done, and does nothing
    assert lines("job.retry") == 312


def test_it_stops_between_two_batches_and_says_what_is_done(site: Site) -> None:
    fill(AT_ONCE * 3)
    visit = site.browser(Role.OPERATOR)
    form = visit.hidden("/jobs/many?verb=retry&scope=all&q=state:dead", action="/jobs/many")
    visit.client.post("/jobs/many", data={**form, "typed": str(AT_ONCE * 3)})
    stopped = RunningJob.progress

    def stop_after_one(self: RunningJob, done: int, total: int | None = None, message: str | None = None) -> None:
        self.cancel_requested = done >= AT_ONCE
        stopped(self, done, total, message)

    RunningJob.progress = stop_after_one  # type: ignore[method-assign]
    try:
        with pytest.raises(CancelRequested):
            carry_out()
    finally:
        RunningJob.progress = stopped  # type: ignore[method-assign]
    assert counts() == {State.QUEUED: AT_ONCE, State.DEAD: AT_ONCE * 2}


def test_what_was_retried_by_an_order_and_died_again_is_not_retried_by_its_second_copy(site: Site) -> None:
    fill(2)
    visit = site.browser(Role.OPERATOR)
    visit.fill_in("/jobs/many?verb=retry&scope=all&q=actor:add", action="/jobs/many")
    assert carry_out()["done"] == 2
    with write() as session:
        session.execute(update(Job).where(Job.actor == "add").values(state=State.DEAD, finished_at=now()))
    assert carry_out()["done"] == 2
    assert counts() == {State.DEAD: 2}


@pytest.mark.parametrize(
    ("verb", "state", "after"),
    [
        (Verb.CANCEL, State.RETRYING, {State.CANCELLED: 3}),
        (Verb.RELEASE, State.HELD, {State.QUEUED: 3}),
        (Verb.DISCARD, State.HELD, {State.CANCELLED: 3}),
        (Verb.RERUN, State.SUCCEEDED, {State.SUCCEEDED: 3, State.QUEUED: 3}),
    ],
)
def test_each_verb_does_what_it_says(site: Site, verb: Verb, state: State, after: dict[State, int]) -> None:
    fill(3, state=state)
    site.browser(Role.OPERATOR).fill_in(f"/jobs/many?verb={verb}&scope=all&q=actor:add", action="/jobs/many")

    assert carry_out()["done"] == 3
    assert counts() == after
    carry_out()  # again after a crash: nothing twice
    assert counts() == after


def test_only_the_chosen_ones_of_a_page(site: Site) -> None:
    fill(3)
    visit = site.browser(Role.OPERATOR)
    with read() as session:
        ids = list(session.execute(select(Job.id)).scalars())
    one = visit.get(f"/jobs/many?verb=retry&scope=chosen&q=state:dead&id={ids[0]}").text
    assert "<title>Retry 1 job ·" in one
    assert "Retry 1 job?" in in_words(one)
    path = f"/jobs/many?verb=retry&scope=chosen&q=state:dead&id={ids[0]}&id={ids[2]}"
    assert "Retry 2 jobs?" in in_words(visit.get(path).text)
    visit.fill_in(path, action="/jobs/many")
    carry_out()
    assert counts() == {State.QUEUED: 2, State.DEAD: 1}
    nothing = visit.get("/jobs/many?verb=retry&scope=chosen&q=state:dead")
    assert nothing.location == "/jobs?q=state:dead"
    assert "Nothing to retry among jobs whose actor is mul" in in_words(visit.get("/jobs/many?verb=retry&q=actor:mul").text)
    assert visit.get("/jobs/many?verb=explode&q=").status_code == 400
    assert visit.get("/jobs/many?verb=retry&q=stat:dead").status_code == 422


def test_a_job_is_run_again_as_a_new_one_and_each_names_the_other(site: Site) -> None:
    fill(1)
    visit = site.browser(Role.OPERATOR)
    with read() as session:
        [old] = session.execute(select(Job.id)).scalars()
    answer = visit.fill_in(f"/jobs/{old}", action=f"/jobs/{old}/re-run")
    new = answer.location.removeprefix("/jobs/")
    with read() as session:
        job = session.execute(select(Job).where(Job.id == new)).scalar_one()
    assert (job.rerun_of, job.state, job.args, job.source, job.actor) == (old, State.QUEUED, [1, 2], "re-run", "add")
    assert f'href="/jobs/{new}"' in visit.get(f"/jobs/{old}").text
    assert f'href="/jobs/{old}"' in visit.get(f"/jobs/{new}").text
    assert counts() == {State.DEAD: 1, State.QUEUED: 1}


def test_the_edited_value_is_the_one_that_runs(site: Site) -> None:
    fill(1)
    visit = site.browser(Role.OPERATOR)
    with read() as session:
        [old] = session.execute(select(Job.id)).scalars()
    assert 'value="1"' in visit.get(f"/jobs/{old}/re-run").text
    wrong = visit.fill_in(f"/jobs/{old}/re-run", action=f"/jobs/{old}/re-run-with-edits", x="one", y="2")
    assert wrong.status_code == 422
    assert 'value="one"' in wrong.text
    answer = visit.fill_in(f"/jobs/{old}/re-run", action=f"/jobs/{old}/re-run-with-edits", x="40", y="2")
    with read() as session:
        new = session.execute(select(Job).where(Job.id == answer.location.removeprefix("/jobs/"))).scalar_one()
        before = session.execute(select(Job).where(Job.id == old)).scalar_one()
    assert (new.kwargs, new.args, new.rerun_of, new.state) == ({"x": 40, "y": 2}, [], old, State.QUEUED)
    assert (before.args, before.state) == ([1, 2], State.DEAD)


@pytest.fixture
def unique_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(defaults._declared, "add", Defaults(JobOptions(unique_for=timedelta(days=1))))


@pytest.mark.usefixtures("unique_for_a_day")
def test_a_rerun_for_which_a_job_of_its_unique_key_stands_says_so(site: Site) -> None:
    with write() as session:
        old = submit(session, add.message(1, 2)).id
        session.execute(update(Job).values(state=State.DEAD, finished_at=now()))
    visit = site.browser(Role.OPERATOR)

    again = visit.fill_in(f"/jobs/{old}", action=f"/jobs/{old}/re-run")
    assert again.location == f"/jobs/{old}"
    page = in_words(visit.get(f"/jobs/{old}").text)
    assert f"No new job: a job of its unique key stands for it: {old}, dead, until 20" in page
    assert "re-run as" not in page

    edited = visit.fill_in(f"/jobs/{old}/re-run", action=f"/jobs/{old}/re-run-with-edits", x="1", y="2")
    assert edited.location == f"/jobs/{old}"
    page = in_words(visit.get(f"/jobs/{old}").text)
    assert f"No new job: a job of its unique key stands for it: {old}, dead, until 20" in page
    assert "already submitted" not in page
    assert counts() == {State.DEAD: 1}


@pytest.mark.usefixtures("unique_for_a_day")
def test_a_bulk_rerun_leaves_alone_the_jobs_for_which_one_of_their_unique_key_stands(site: Site) -> None:
    fill(3)
    visit = site.browser(Role.OPERATOR)
    visit.fill_in("/jobs/many?verb=re-run&q=actor:add", action="/jobs/many")

    assert carry_out() | {"query": "", "verb": ""} == {"query": "", "verb": "", "done": 1, "left_alone": 2}

    assert counts() == {State.DEAD: 3, State.QUEUED: 1}
    assert lines("job.re-run") == 1


def test_a_day_is_the_one_of_the_order_though_its_batches_run_after_midnight(site: Site, time: StillClock) -> None:
    time.instant = datetime(2030, 5, 5, 23, 59, 50, tzinfo=UTC)
    fill(2, state=State.RETRYING, created_at=time.instant - timedelta(days=1))
    fill(3, state=State.RETRYING)
    visit = site.browser(Role.OPERATOR)
    assert "Cancel 2 jobs?" in in_words(visit.get("/jobs/many?verb=cancel&q=created:yesterday+actor:add").text)
    visit.fill_in("/jobs/many?verb=cancel&q=created:yesterday+actor:add", action="/jobs/many")
    time.forward(20)

    assert carry_out()["done"] == 2
    assert counts() == {State.CANCELLED: 2, State.RETRYING: 3}


def test_a_day_is_the_one_of_the_page_that_was_confirmed(site: Site, time: StillClock) -> None:
    time.instant = datetime(2030, 5, 5, 23, 59, 50, tzinfo=UTC)
    fill(2, state=State.RETRYING, created_at=time.instant - timedelta(days=1))
    fill(3, state=State.RETRYING)
    visit = site.browser(Role.OPERATOR)
    form = visit.hidden("/jobs/many?verb=cancel&q=created:yesterday+actor:add", action="/jobs/many")
    time.forward(20)
    visit.client.post("/jobs/many", data=form)

    assert carry_out()["done"] == 2
    assert counts() == {State.CANCELLED: 2, State.RETRYING: 3}
    assert visit.client.post("/jobs/many", data={**form, "asked_at": "yesterday"}).status_code == 400


@pytest.mark.parametrize(
    ("query", "state", "since"),
    [
        ("created:10m", State.RETRYING, {"created_at": 595}),
        ("created:<1h", State.SCHEDULED, {"created_at": 3595}),
        ("is:overdue", State.RETRYING, {"due_at": -5}),
        ("is:stalled", State.RUNNING, {"started_at": 0, "worker_id": 1}),
        ("duration:>1m", State.RUNNING, {"started_at": 55}),
        ("duration:<5m", State.RUNNING, {"started_at": -5}),
    ],
)
def test_words_of_time_mean_the_instant_of_the_order(site: Site, time: StillClock, query: str, state: State, since: dict[str, int]) -> None:
    """Two jobs match for long; ten seconds later three more would match, or match no longer."""
    with write() as session:
        lease = {"name": "h:1", "host": "h", "pid": 1, "version": "1", "threads": 1, "queues": [], "actors": [], "frontier": {}, "busy": 1}
        heard = now() - timedelta(seconds=2 * get_settings().heartbeat_interval - 5)
        session.execute(insert(Worker).values(id=1, started_at=heard, heartbeat_at=heard, expires_at=now() + timedelta(days=1), **lease))
    matching: dict[str, dict[str, Any]] = {
        "created:10m": {},
        "created:<1h": {"created_at": now() - timedelta(hours=2)},
        "is:overdue": {"due_at": now() - timedelta(hours=1)},
        "is:stalled": {"started_at": now(), "worker_id": None},
        "duration:>1m": {"started_at": now() - timedelta(hours=1)},
        "duration:<5m": {"started_at": now()},
    }
    fill(2, state=state, **matching[query])
    values: dict[str, Any] = {name: now() - timedelta(seconds=ago) if name.endswith("_at") else ago for name, ago in since.items()}
    fill(3, state=state, **values)
    seen = 5 if query == "created:10m" else 2
    program = site.program(Role.OPERATOR)
    asked = {"verb": "cancel", "q": f"{query} actor:add"}
    assert program.get(f"/api/v1/jobs/many?{urlencode(asked)}").get_json()["count"] == seen
    assert program.post("/api/v1/jobs/many", {**asked, "count": seen}).status_code == 202
    time.forward(10)

    assert carry_out()["done"] == seen


@pytest.mark.parametrize(("query", "swapped"), [("arg.x.id:5", False), ("-arg.y.id:5", False), ("-arg.x.id:5", True)])
def test_an_argument_is_that_of_the_query_and_no_other(site: Site, monkeypatch: pytest.MonkeyPatch, query: str, *, swapped: bool) -> None:
    monkeypatch.setattr(texts, "AT_MOST", 20)
    five, seven = {"id": 5}, {"id": 7}
    matching, others = ([seven, five], [five, seven]) if swapped else ([five, seven], [seven, five])
    for _ in range(3):
        fill(25, args=matching)
        fill(25, args=others)
    with write() as session:
        texts.write_new(session)
    path = f"/jobs/many?verb=retry&q={query}+actor:add"
    site.browser(Role.OPERATOR).fill_in(path, action="/jobs/many")

    assert carry_out()["done"] == 75
    with read() as session:
        retried = session.execute(select(Job.args).where(Job.actor == "add", Job.state == State.QUEUED)).scalars().all()
    assert retried == [matching] * 75


def test_an_undecodable_message_cannot_run_again(database: Database) -> None:
    fill(1, state=State.CANCELLED)
    with write() as session:
        session.execute(update(Job).values(actor=None, body="nonsense"))
        [id] = session.execute(select(Job.id)).scalars()
        with pytest.raises(NotAllowed):
            reruns.again(session, id, by=None)


def test_every_verb_takes_only_states_that_it_may_leave() -> None:
    assert set(bulk.TAKES) == set(Verb)
    assert State.RUNNING not in bulk.TAKES[Verb.RETRY] | bulk.TAKES[Verb.RERUN]
