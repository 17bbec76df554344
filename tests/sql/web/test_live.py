"""Live pages: a stream's messages, its end, and the refusal when the limit of streams is reached."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from src.jobs import State
from src.jobs.core.models import Job
from src.jobs.read import queries
from src.operations.jobs.documents import job_documents
from src.operations.people import caller
from src.operations.people.caller import Caller
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import Database, use_database, write
from src.up import gunicorn_conf
from src.web.live import job_watcher
from tests.harness.site import Site, Stream
from tests.harness.waiting import eventually

pytestmark = pytest.mark.both_stores


@pytest.fixture(autouse=True)
def _quick(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(job_watcher, "LOOK_INTERVAL_S", 0.02)
    yield
    eventually(lambda: not any(thread.name == "tailer" for thread in threading.enumerate()), what="the tailer ends with the last stream")


def _change(id: str, **values: Any) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))


def test_a_stream_tells_the_present_state_each_change_and_the_end(site: Site) -> None:
    id, visit = site.program().submit("add", 1, 2), site.browser()
    with Stream(visit, f"/jobs/{id}/events") as stream:
        assert stream.answer.mimetype == "text/event-stream"
        assert stream.answer.headers["X-Accel-Buffering"] == "no"
        first = stream.message()
        # Unnamed, so that htmx swaps it; its parts bring their own targets.
        assert first.startswith("data: ")
        assert '<hx-partial hx-target="#job" hx-swap="outerMorph">' in first
        assert "badge queued" in first
        _change(id, state=State.RUNNING, attempt=1, progress_done=1, progress_total=2, progress_message="half")
        assert "half" in stream.message()
        _change(id, state=State.SUCCEEDED, result=3, finished_at=now())
        *_, last, done = stream.rest()
        assert "badge succeeded" in last
        assert done == "event: done\ndata: succeeded\n\n"


def test_a_stream_of_an_ended_job_says_so_and_ends(site: Site) -> None:
    id = site.program().submit("add", 1, 2)
    _change(id, state=State.DEAD, finished_at=now())
    with Stream(site.browser(), f"/jobs/{id}/events") as stream:
        messages = stream.rest()
    assert len(messages) == 2
    assert "badge dead" in messages[0]


def test_the_api_streams_json(site: Site) -> None:
    id = site.program().submit("add", 1, 2)
    with Stream(site.browser(), f"/api/v1/jobs/{id}/events") as stream:
        assert re.match(r'event: job\ndata: {"id": "[^\n]+"state": "queued"', stream.message())


@pytest.mark.parametrize("address", ["/jobs/{}/events", "/api/v1/jobs/{}/events"])
def test_a_stream_is_read_for_its_caller(site: Site, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    readers: list[Caller | None] = []
    arguments = job_documents.arguments

    def noted(job: Any) -> Any:
        readers.append(caller.current())
        return arguments(job)

    monkeypatch.setattr(job_documents, "arguments", noted)
    id = site.program().submit("add", 1, 2)
    with Stream(site.browser(Role.VIEWER, ["add"]), address.format(id)) as stream:
        readers.clear()
        stream.message()
        assert {reader and reader.actors for reader in readers} == {("add",)}
        assert caller.current() is None, "the thread may serve others meanwhile"


def test_the_forms_in_a_streamed_page_can_be_submitted(site: Site) -> None:
    id, visit = site.program().submit("add", 1, 2), site.browser()
    with Stream(visit, f"/jobs/{id}/events") as stream:
        token = re.search(r'name="form-csrf_token" value="([^"]+)"', stream.message())
    assert token is not None
    assert visit.client.post(f"/jobs/{id}/cancel", data={"csrf_token": token[1]}).status_code == 303


def test_a_silent_stream_gives_signs_of_life_and_ends_when_it_is_old(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    id = site.program().submit("add", 1, 2)
    monkeypatch.setattr(job_watcher, "HEARTBEAT_S", 0.1)
    with Stream(site.browser(), f"/jobs/{id}/events") as stream:
        while stream.message() == ": alive\n\n":  # reading the job may take longer than that
            pass
        assert {stream.message() for _ in range(3)} == {": alive\n\n"}

    monkeypatch.setattr(job_watcher, "MAX_AGE_S", 0.2)
    with Stream(site.browser(), f"/jobs/{id}/events") as stream:
        assert sum(message != ": alive\n\n" for message in stream.rest()) <= 1


def test_one_look_serves_all_streams(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    find_many = queries.find_many

    def counted(session: Session, ids: Collection[str]) -> list[Job]:
        looked.append(len(ids))
        return find_many(session, ids)

    monkeypatch.setattr(queries, "find_many", counted)
    one, other = (site.program().submit("add", 1, 2) for _ in range(2))
    with ExitStack() as open:
        watches = [open.enter_context(job_watcher.tailer.watch(id)) for id in (one, one, one, other, other)]
        told = [watch.next(10) for watch in watches]
        assert [news.job.id for news in told if news and news.job] == [one, one, one, other, other]
        assert sum(thread.name == "tailer" for thread in threading.enumerate()) == 1
    assert max(looked) == 2  # rows, not streams


def test_a_client_polls_when_all_streams_are_taken(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_watcher, "MAX_STREAMS", 1)
    id, visit = site.program().submit("add", 1, 2), site.browser()
    with job_watcher.tailer.watch(id):
        answer = visit.get(f"/jobs/{id}/events?view=progress")
        assert answer.status_code == 503
        assert f'hx-get="/jobs/{id}/live?view=progress" hx-trigger="every 3s" hx-swap="none"' in answer.text
        assert site.program().get(f"/api/v1/jobs/{id}/events").status_code == 503
    assert '<hx-partial hx-target="#progress"' in visit.get(f"/jobs/{id}/live?view=progress").text
    with Stream(visit, f"/jobs/{id}/events") as stream:  # there is room again
        stream.message()


def test_a_stream_ends_within_a_minute_and_those_of_one_moment_at_different_times(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    # A closed reader is not detected by the network, and behind a proxy not even by failing writes.
    assert job_watcher.MAX_AGE_S + gunicorn_conf.keepalive + 2 * job_watcher.HEARTBEAT_S <= 60
    lifetimes = {job_watcher.lifetime() for _ in range(20)}
    assert len(lifetimes) > 1
    assert job_watcher.MAX_AGE_S * (1 - job_watcher.SPREAD) <= min(lifetimes) <= max(lifetimes) <= job_watcher.MAX_AGE_S


def test_a_reader_that_stopped_holds_no_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunicorn_conf, "UNANSWERED_MS", 300)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gunicorn_conf.when_ready(SimpleNamespace(LISTENERS=[SimpleNamespace(sock=listener)]))
        with socket.create_connection(listener.getsockname()):  # never reads
            server, _ = listener.accept()
            with server, pytest.raises(TimeoutError):
                server.sendall(bytes(50_000_000))


def test_fifty_viewers_of_one_process_all_have_a_stream() -> None:
    assert job_watcher.MAX_STREAMS >= 50


def test_streams_leave_threads_for_everybody_else() -> None:
    assert gunicorn_conf.threads - job_watcher.MAX_STREAMS >= 8


def test_a_stream_outlives_an_outage_of_the_database(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    id, visit = site.program().submit("add", 1, 2), site.browser()
    with Stream(visit, f"/jobs/{id}/events") as stream:
        stream.message()
        away = Database("postgresql://callboard@127.0.0.1:1/nothing")
        use_database(away)
        warned: list[str] = []
        monkeypatch.setattr(job_watcher.log, "warning", lambda event, **_: warned.append(event))
        eventually(lambda: "tailer_database_away" in warned, what="the tailer has looked in vain")
        use_database(site.database)
        away.engine.dispose()
        _change(id, state=State.SUCCEEDED, result=3, finished_at=now())
        assert "badge succeeded" in stream.message()


def _noting(asked: list[set[str]], query: Callable[[Session, Collection[str]], Any]) -> Callable[[Session, Collection[str]], Any]:
    def noted(session: Session, ids: Collection[str]) -> Any:
        asked.append(set(ids))
        return query(session, ids)

    return noted


def test_a_watched_job_is_read_as_a_whole_only_when_it_changes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[set[str]] = []
    read: list[set[str]] = []
    for name, asked in (("snapshots", looks), ("find_many", read)):
        monkeypatch.setattr(queries, name, _noting(asked, getattr(queries, name)))
    id, visit = site.program().submit("add", 1, 2), site.browser()
    with Stream(visit, f"/jobs/{id}/events") as stream:
        stream.message()
        so_far = len(looks)
        eventually(lambda: len(looks) > so_far + 3, what="the job is looked at again")
        assert read == [{id}]
        _change(id, progress_done=1, progress_message="half")
        assert "half" in stream.message()
        assert read == [{id}] * 2
