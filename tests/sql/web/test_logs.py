"""Logs of attempts on pages, in the API and in streams; the display of jobs that are cancelling or stalled."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from src.jobs import State
from src.jobs.attempts import attempt_logs
from src.jobs.attempts.log_lines import Line
from src.jobs.core.models import Job, Worker
from src.jobs.leases import claims, workers
from src.jobs.read import queries
from src.sql.clock import now
from src.sql.columns import to_microseconds
from src.sql.database import read, write
from src.web.live import job_watcher
from tests.harness.site import Program, Site, Stream, in_words
from tests.harness.waiting import eventually

pytestmark = pytest.mark.both_stores

SPITEFUL = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _quick(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(job_watcher, "LOOK_INTERVAL_S", 0.02)
    yield
    eventually(lambda: not any(thread.name == "tailer" for thread in threading.enumerate()), what="the tailer ends with the last stream")


def running(program: Program) -> str:
    """A job in the hands of a worker."""
    id = program.submit("add", 1, 2)
    with write() as session:
        worker = workers.register(session, name="host:1", host="host", pid=1, version="1", threads=1, queues=["default"], actors=["add"])
        claims.claim(session, worker, [(id, 1)])
        session.execute(update(Worker).values(heartbeat_at=now() + timedelta(hours=1)))  # there is none that could go on with it
    return id


def say(id: str, *texts: str, attempt: int = 1, first: int = 1, level: str = "stdout") -> None:
    with write() as session:
        job = queries.find(session, id)
        assert job is not None
        lines = [Line(first + place, to_microseconds(now()), level, text) for place, text in enumerate(texts)]
        attempt_logs.write(session, attempt_logs.rows(job.seq, attempt, lines))


def change(id: str, **values: object) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))


def test_the_api_gives_the_lines_after_a_place_and_the_place_to_ask_from_next(site: Site) -> None:
    program = site.program()
    id = running(program)
    assert program.get(f"/api/v1/jobs/{id}/logs").get_json() == {"lines": [], "next": "0.0", "more": False}
    say(id, "one", "two", "three")
    say(id, "again", attempt=2, level="warning")

    first = program.get(f"/api/v1/jobs/{id}/logs?limit=2").get_json()
    assert ([line["text"] for line in first["lines"]], first["next"], first["more"]) == (["one", "two"], "1.2", True)
    rest = program.get(f"/api/v1/jobs/{id}/logs?after={first['next']}").get_json()
    assert [(line["attempt"], line["number"], line["level"], line["text"]) for line in rest["lines"]] == [
        (1, 3, "stdout", "three"),
        (2, 1, "warning", "again"),
    ]
    assert (rest["next"], rest["more"]) == ("2.1", False)
    assert program.get(f"/api/v1/jobs/{id}/logs?after=2.1").get_json() == {"lines": [], "next": "2.1", "more": False}
    assert [line["text"] for line in program.get(f"/api/v1/jobs/{id}/logs?attempt=2").get_json()["lines"]] == ["again"]


@pytest.mark.parametrize("wrong", ["after=1", "after=a.b", "after=1.2.3", "limit=0", "limit=1001", "attempt=x", "attempt=99999999999"])
def test_an_invalid_place_attempt_or_limit_is_refused_by_its_name(site: Site, wrong: str) -> None:
    program = site.program()
    answer = program.get(f"/api/v1/jobs/{running(program)}/logs?{wrong}")
    assert (answer.status_code, [each["field"] for each in answer.get_json()["errors"]]) == (422, [wrong.partition("=")[0]])


def test_the_log_of_an_unknown_job_is_not_there(site: Site) -> None:
    assert site.program().get("/api/v1/jobs/00000000-0000-7000-8000-000000000000/logs").status_code == 404


def test_a_stream_brings_each_line_once_in_order_before_the_end_and_goes_on_where_it_was_cut(site: Site) -> None:
    id, visit = running(site.program()), site.browser()
    say(id, *(f"line {number}" for number in range(1, 2_502)))
    with Stream(visit, f"/api/v1/jobs/{id}/events") as stream:
        brought: list[int] = []
        while (message := stream.message()).startswith("event: lines\n"):
            brought += lines_of(message)
        assert brought == list(range(1, 2_502))
        assert message.startswith("event: job\n")
        say(id, "late", first=2_502)
        late = stream.message()
        assert (lines_of(late), "\nid: 1.2502\n" in late) == ([2_502], True)
    say(id, "while nobody looked", first=2_503)
    with Stream(visit, f"/api/v1/jobs/{id}/events", last_event_id="1.2502") as stream:
        assert lines_of(stream.message()) == [2_503]
        with write() as session:  # the last line and the end are one commit
            job = queries.find(session, id)
            assert job is not None
            attempt_logs.write(session, attempt_logs.rows(job.seq, 1, [Line(2_504, 1, "stdout", "the last")]))
            session.execute(update(Job).where(Job.id == id).values(state=State.SUCCEEDED, finished_at=now()))
        *_, last, end, done = stream.rest()
    assert (lines_of(last), end.startswith("event: job\n"), done) == ([2_504], True, "event: done\ndata: succeeded\n\n")


def lines_of(message: str) -> list[int]:
    assert message.startswith("event: lines\n"), message[:200]
    return [line["number"] for line in json.loads(message.partition("data: ")[2])["lines"]]


def test_the_page_shows_the_log_and_its_stream_appends_what_comes_to_its_attempt(site: Site) -> None:
    id, visit = running(site.program()), site.browser()
    say(id, "one", SPITEFUL, "three")
    page = visit.get(f"/jobs/{id}").text
    assert "Attempt 1" in in_words(page)
    assert SPITEFUL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert f'hx-sse:connect="/jobs/{id}/events?after=1.3"' in page

    with Stream(visit, f"/jobs/{id}/events?after=1.3") as stream:
        assert '<hx-partial hx-target="#job"' in stream.message()
        say(id, SPITEFUL, first=4)
        message = stream.message()
        assert '<hx-partial hx-target="#log-1" hx-swap="beforeend"><li id="line-1-4">' in message
        assert SPITEFUL not in message
        assert "one" not in message
        say(id, "again", attempt=2)
        message = stream.message()
        assert '<hx-partial hx-target="#log-attempts" hx-swap="beforeend">' in message
        assert 'id="log-2"' in message
    assert 'id="line-2-1"' in visit.get(f"/jobs/{id}/live").text  # a polling page gets the whole log


def test_an_attempts_log_can_be_read_as_plain_text_which_steers_no_terminal(site: Site) -> None:
    id, visit = running(site.program()), site.browser()
    say(id, "one", "two\n  of two lines", "\x1b[2Jthree")
    say(id, "another attempt's", attempt=2)
    answer = visit.get(f"/jobs/{id}/attempts/1/log")
    assert answer.mimetype == "text/plain"
    lines = answer.text.splitlines()
    assert [line.partition("stdout   ")[2] or line for line in lines] == ["one", "two", "  of two lines", "\\x1b[2Jthree"]
    assert site.stranger().get(f"/jobs/{id}/attempts/1/log").status_code == 303


def test_a_running_job_is_cancelling_until_it_is_certain_that_it_runs_no_more(site: Site) -> None:
    program, visit = site.program(), site.browser()
    id = running(program)
    answer = program.post(f"/api/v1/jobs/{id}/cancel").get_json()
    assert (answer["state"], answer["cancelling"]) == ("running", True)
    assert program.get(f"/api/v1/jobs/{id}").get_json()["cancelling"] is True
    page = in_words(visit.get(f"/jobs/{id}").text)
    assert "cancelling add" in page
    assert "cancelled add" not in page
    assert "cancelling" in in_words(visit.get("/jobs").text)

    change(id, state=State.CANCELLED, finished_at=now())

    assert program.get(f"/api/v1/jobs/{id}").get_json()["cancelling"] is False
    assert "cancelled add" in in_words(visit.get(f"/jobs/{id}").text)


def test_a_stalled_job_says_so_with_the_reason_where_it_is_looked_at(site: Site) -> None:
    program, visit = site.program(), site.browser()
    id = running(program)
    assert program.get(f"/api/v1/jobs/{id}").get_json()["stalled"] is None
    with Stream(visit, f"/jobs/{id}/events") as stream:
        assert "Stalled" not in stream.message()
        with write() as session:
            session.execute(update(Worker).values(heartbeat_at=now() - timedelta(seconds=30)))
        assert "Stalled:" in stream.message()
    reason = program.get(f"/api/v1/jobs/{id}").get_json()["stalled"]
    assert reason.startswith("its worker host:1 has sent no heartbeat since ")
    assert f"Stalled: {reason}." in in_words(visit.get(f"/jobs/{id}").text)
    change(id, state=State.SUCCEEDED, finished_at=now())
    assert program.get(f"/api/v1/jobs/{id}").get_json()["stalled"] is None


def test_read_many_reads_each_job_from_its_own_place(site: Site) -> None:
    one, other = running(site.program()), running(site.program())
    say(one, "a", "b", "c")
    say(other, "d", "e")
    with read() as session:
        jobs = [queries.find(session, id) for id in (one, other)]
        seqs = [job.seq for job in jobs if job]
        found = attempt_logs.read_many(session, {seqs[0]: (1, 2), seqs[1]: (0, 0)})
        assert [(line.job_seq, line.number, line.text) for line in found] == [(seqs[0], 3, "c"), (seqs[1], 1, "d"), (seqs[1], 2, "e")]
        assert [line.text for line in attempt_logs.read_many(session, {seqs[1]: (0, 0)}, limit=1)] == ["d"]
        assert [line.text for line in attempt_logs.tail(session, seqs[0], limit=2)] == ["b", "c"]
