"""Fleet events: what the stream tells, to whom, and from where it goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from src.jobs.alerts.models import Alert, AlertKind
from src.jobs.core.models import Attempt, Job, Worker
from src.jobs.core.states import Outcome, State
from src.jobs.failures import counting
from src.operations.fleet import fleet_events
from src.operations.fleet.fleet_events import Cursor, Journal
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import read, write
from src.web.live import fleet_stream
from tests.harness.site import Program, Site
from tests.harness.waiting import eventually

pytestmark = pytest.mark.both_stores


@pytest.fixture(autouse=True)
def _quick(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fleet_stream, "LOOK_INTERVAL_S", 0.02)
    yield
    eventually(
        lambda: not any(thread.name == "fleet_events" for thread in threading.enumerate()), what="the thread ends with the last stream"
    )


class Events:
    """An open stream of events."""

    def __init__(self, program: Program, path: str = "/api/v1/events", *, after: str | None = None) -> None:
        headers = program.headers | ({"Last-Event-ID": after} if after else {})
        self.answer = program.client.get(path, headers=headers)
        self._chunks = self.answer.iter_encoded()
        self.last = ""

    def __enter__(self) -> Events:
        assert self.answer.status_code == 200
        assert next(self._chunks) == b"retry: 3000\n\n"
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()

    def next(self) -> dict[str, Any]:
        """Return the next event, past heartbeats."""
        while (chunk := next(self._chunks).decode()) == ": alive\n\n":
            pass
        id, data = chunk.strip().split("\n")
        self.last = id.removeprefix("id: ")
        found: dict[str, Any] = json.loads(data.removeprefix("data: "))
        return found

    def until(self, type: str) -> dict[str, Any]:
        """Return the next event of that type."""
        while (event := self.next())["type"] != type:
            pass
        return event


def _change(id: str, **values: Any) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))


def _fail(id: str) -> None:
    with write() as session:
        seq = session.execute(update(Job).where(Job.id == id).values(attempt=1).returning(Job.seq)).scalar_one()
        session.execute(
            insert(Attempt).values(
                job_seq=seq,
                number=1,
                worker="host:1",
                started_at=now(),
                finished_at=now(),
                outcome=Outcome.FAILED,
                error="ValueError: no",
                traceback=None,
                fingerprint="0123456789abcdef",
                noted=False,
            )
        )


def test_the_life_of_a_job_is_told_in_order(site: Site) -> None:
    program = site.program()
    with Events(program, "/api/v1/events?type=job.*,attempt.failed") as events:
        id = program.submit("add", 1, 2)
        submitted = events.next()
        assert (submitted["type"], submitted["actor"], submitted["queue"], submitted["data"]["id"]) == (
            "job.submitted",
            "add",
            "default",
            id,
        )
        _change(id, state=State.RUNNING, attempt=1, started_at=now())
        assert events.next()["type"] == "job.started"
        _fail(id)
        failed = events.next()
        assert (failed["type"], failed["data"]["error"], failed["data"]["attempt"]) == ("attempt.failed", "ValueError: no", 1)
        _change(id, state=State.DEAD, finished_at=now(), error="ValueError: no")
        assert events.next()["type"] == "job.dead"


def test_a_tick_of_each_schedule_is_told(site: Site) -> None:
    program = site.program(Role.OPERATOR)
    for name in ("first", "second"):
        body = {"name": name, "actor": "add", "kwargs": {"x": 1, "y": 2}, "cron": "0 6 * * *"}
        assert program.post("/api/v1/schedules", body).status_code == 201
    with read() as session:
        journal = Journal(Cursor.present(session))
    for name in ("first", "second"):
        assert program.post(f"/api/v1/schedules/{name}/run-now").status_code == 202
    with read() as session:
        fired = [event for event in journal.look(session) if event.type == "schedule.fired"]
    assert [(event.data["schedule"], event.actor) for event in fired] == [("first", "add"), ("second", "add")]


def test_errors_workers_alerts_and_pauses_are_told(site: Site) -> None:
    program = site.program()
    with Events(program) as events:
        id = program.submit("add", 1, 2)
        _fail(id)
        with write() as session:
            counting.note_new(session)
        assert events.until("error.opened")["data"]["error_group"] == "0123456789abcdef"
        with write() as session:
            common = {"host": "host", "threads": 1, "queues": [], "actors": [], "heartbeat_at": now(), "expires_at": now(), "frontier": {}}
            session.execute(insert(Worker).values(name="host:7", pid=7, version="2.0", started_at=now(), **common))
        assert events.until("worker.started")["data"] == {"worker": "host:7", "version": "2.0"}
        with write() as session:
            session.add(Alert(kind=AlertKind.BACKLOG, subject="mail", text="9 jobs", seen_at=now(), began_at=now()))
        assert events.until("alert.began")["data"]["text"] == "9 jobs"
        assert program.post("/api/v1/pauses", {"target": "queue:default", "reason": "stocktaking"}).status_code < 300
        pause = events.until("target.pause")
        assert (pause["queue"], pause["data"]["target"]) == ("default", "queue:default")


def test_a_reader_that_comes_back_gets_what_happened_meanwhile(site: Site) -> None:
    program = site.program()
    with Events(program, "/api/v1/events?type=job.*") as events:
        program.submit("add", 1, 2)
        events.next()
        last = events.last
    missed = program.submit("mul", 1, 2)
    _change(missed, state=State.SUCCEEDED, finished_at=now())
    with Events(program, "/api/v1/events?type=job.*", after=last) as events:
        found = [events.until("job.submitted"), events.until("job.succeeded")]
    assert {each["data"]["id"] for each in found} == {missed}


def test_filters_choose_types_actors_and_queues(site: Site) -> None:
    program = site.program()
    with Events(program, "/api/v1/events?actor=mul") as events:
        program.submit("add", 1, 2)
        id = program.submit("mul", 1, 2)
        assert events.next()["data"]["id"] == id
    for type in ("jobs.*", "job.failed", "job.x*", "attempt.dead", "job.dead,attempt"):
        refused = program.get(f"/api/v1/events?type={type}")
        assert (refused.status_code, refused.get_json()["errors"][0]["field"]) == (422, "type"), type
    for type in ("job.s*", "attempt.*", "error.resolve", "schedule.run-now", "resync"):
        with Events(program, f"/api/v1/events?type={type}"):
            pass


def test_a_limited_viewer_gets_only_its_actors_and_no_deeds_of_operators(site: Site) -> None:
    admin, limited = site.program(), site.program(Role.VIEWER, actors=["mul"])
    with Events(limited) as events:
        _fail(admin.submit("add", 1, 2))
        with write() as session:
            counting.note_new(session)
            session.add(Alert(kind=AlertKind.BACKLOG, subject="mail", text="9 jobs", seen_at=now(), began_at=now()))
        assert admin.post("/api/v1/pauses", {"target": "actor:add"}).status_code < 300
        id = admin.submit("mul", 1, 2)
        event = events.next()
        assert (event["type"], event["data"]["id"]) == ("job.submitted", id)


@pytest.mark.parametrize("first", ["limited", "comes back"])
def test_a_reader_repeats_nothing_to_others(site: Site, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    monkeypatch.setattr(fleet_events, "MOST", 2)
    monkeypatch.setattr(fleet_events, "OVERLAP_JOBS", 0)
    monkeypatch.setattr(fleet_stream, "LOOK_INTERVAL_S", 0.2)
    admin, limited = site.program(), site.program(Role.VIEWER, actors=["mul"])
    admin.submit("mul", 1, 2)
    for number in range(10):
        admin.submit("add", number, 2)
    long_ago = str(Cursor(now() - timedelta(days=30), 1))
    with (
        Events(limited) if first == "limited" else Events(admin, after=long_ago) as reader,
        Events(admin, "/api/v1/events?type=job.submitted") as events,
    ):
        id = admin.submit("add", 1, 2)
        assert events.until("job.submitted")["data"]["id"] == id
        if first == "comes back":
            assert reader.until("job.submitted")["data"]["id"] != id


def test_the_number_of_streams_is_limited_and_a_wrong_id_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_stream, "MAX_STREAMS", 1)
    program = site.program()
    with Events(program):
        assert program.get("/api/v1/events").status_code == 503
    assert program.client.get("/api/v1/events", headers={**program.headers, "Last-Event-ID": "x"}).status_code == 422


def test_one_caller_leaves_streams_to_others(site: Site) -> None:
    greedy, other = site.program(), site.program()
    with ExitStack() as open:
        for _ in range(fleet_stream.MAX_STREAMS - 1):
            open.enter_context(Events(greedy))
        assert greedy.get("/api/v1/events").status_code == 503
        open.enter_context(Events(other))
    with Events(greedy):
        pass


def test_a_slow_reader_is_told_that_events_were_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_stream, "MOST_WAITING", 3)
    feed, cursor = fleet_stream.Feed(fleet_events.EventFilter()), Cursor(now(), 1)
    many = [fleet_events.FleetEvent("job.dead", f"job.dead:{number}", now(), {}) for number in range(5)]
    feed.put(many, cursor, cursor)
    [(event, _)] = feed.next(0)
    assert (event.type, event.data["lost"]) == ("resync", 5)


def test_a_look_repeats_nothing_and_finds_a_change_that_commits_late(site: Site) -> None:
    program = site.program()
    id = program.submit("add", 1, 2)
    with read() as session:
        journal = Journal(Cursor.present(session))
        journal.look(session)
        assert journal.look(session) == []
    _change(id, state=State.SUCCEEDED, finished_at=now() - timedelta(seconds=1))
    with read() as session:
        assert [event.type for event in journal.look(session)] == ["job.succeeded"]
        assert journal.look(session) == []


def test_more_events_than_a_look_takes_are_left_out_and_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_events, "MOST", 3)
    monkeypatch.setattr(fleet_events, "OVERLAP_JOBS", 0)
    program = site.program()
    with read() as session:
        journal = Journal(Cursor.present(session))
        journal.look(session)
    for number in range(5):
        program.submit("add", number, 2)
    with read() as session:
        first = [event.type for event in journal.look(session)]
        second = [event.type for event in journal.look(session)]
    assert first.count("job.submitted") == 3
    assert "resync" in first
    assert second.count("job.submitted") == 2, "submissions are read by number, so a later look has the rest"
