"""The console with a million jobs, whose tables no page reads from end to end, and with large jobs, whose pages stay small."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select, update

from bench.filling import fill, searched, settle
from bench.furnishing import furnish
from bench.page_table import addresses
from src.broker.compat.handle import JobHandle
from src.jobs import State
from src.jobs.core.models import Attempt, Job
from src.jobs.core.states import Outcome
from src.jobs.failures import counting
from src.jobs.search import texts
from src.sql.clock import now
from src.sql.database import Database, write
from tests.harness import plans
from tests.harness.sample import TRACEBACK
from tests.harness.site import Site, Stream, in_words

JOBS = 1_000_000
ATTEMPTS = 500
#: bytes; a job with one attempt has 20,000
SMALL = 300_000
_LONG: dict[str, Any] = {"x": ['say "x" & <b>'] * 50_000, "y": 2}


@pytest.mark.slow
@pytest.mark.both_stores
def test_no_page_reads_a_growing_table_as_a_whole_at_a_million_jobs(fresh_database: Database, app: Flask) -> None:
    fill(fresh_database, JOBS)
    furnish(fresh_database)
    settle(fresh_database)
    browser = Site(fresh_database, app).browser()
    with fresh_database.read() as session:
        paths = addresses(session, app.url_map.iter_rules())

    with plans.recorded(fresh_database) as statements, texts.search_fields.replaced(searched):
        for path in paths:
            assert browser.get(path).status_code < 500, path

    assert plans.whole_reads(fresh_database, statements) == {}


def _retried(site: Site, *, attempts: int = ATTEMPTS, traceback: str = TRACEBACK, state: State = State.RETRYING) -> str:
    """Return the id of a job submitted a day ago that failed that often, once a second from then on."""
    id, begun = site.program().submit("add", 1, 2), now() - timedelta(days=1)
    row = {"worker": "host:1", "outcome": Outcome.FAILED, "error": "ZeroDivisionError: division by zero", "traceback": traceback}
    with write() as session:
        seq = session.execute(select(Job.seq).where(Job.id == id)).scalar_one()
        starts = [(number, begun + timedelta(seconds=number)) for number in range(1, attempts + 1)]
        ends = {"fingerprint": "0123456789abcdef", "noted": False}
        session.execute(
            insert(Attempt),
            [{**row, **ends, "job_seq": seq, "number": number, "started_at": at, "finished_at": at} for number, at in starts],
        )
        last = {"attempt": attempts, "started_at": starts[-1][1], "due_at": now() + timedelta(hours=1), "created_at": begun}
        session.execute(update(Job).where(Job.id == id).values(state=state, error=row["error"], **last))
    return id


@pytest.mark.both_stores
def test_the_page_of_a_job_shows_its_newest_attempts_and_leads_to_the_others(site: Site) -> None:
    id, visit = _retried(site), site.browser()
    page = visit.get(f"/jobs/{id}").text
    assert len(page) < SMALL
    assert re.findall(r'<li id="attempt-(\d+)"', page) == [str(number) for number in range(ATTEMPTS, ATTEMPTS - 50, -1)]
    assert "Only the newest attempts are drawn." in page
    assert "1 day" not in in_words(page)  # no wait from the submission to the first attempt that is shown
    assert f'href="/jobs/{id}/attempts?after={ATTEMPTS - 49}">Earlier attempts' in page
    for view in ("job", "clock"):
        assert len(visit.get(f"/jobs/{id}/live?view={view}").text) < SMALL

    seen: list[str] = []
    path = f"/jobs/{id}/attempts"
    while path:
        page = visit.get(path).text
        seen += re.findall(r'<li id="attempt-(\d+)"', page)
        path = next(iter(re.findall(r'rel="next" href="([^"]+)"', page)), "")
    assert seen == [str(number) for number in range(ATTEMPTS, 0, -1)]
    assert "No earlier attempt has ended." in visit.get(f"/jobs/{id}/attempts?after=1").text


def test_documents_have_the_newest_attempts_and_all_come_in_pages(site: Site) -> None:
    id, program = _retried(site), site.program()
    whole = program.get(f"/api/v1/jobs/{id}")
    assert [each["number"] for each in whole.get_json()["attempts"]] == list(range(ATTEMPTS - 49, ATTEMPTS + 1))
    assert len(whole.text) < SMALL
    assert len(program.get(f"/api/v1/jobs/{id}/timeline").text) < SMALL
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = program.get(f"/api/v1/jobs/{id}/attempts?limit=200&after={after}").get_json()
        found, after = [*found, *page["attempts"]], page["next"]
    assert [each["number"] for each in found] == list(range(ATTEMPTS, 0, -1))
    assert [each.number for each in JobHandle(id).attempts] == list(range(1, ATTEMPTS + 1))
    assert found[:50] == whole.get_json()["attempts"][::-1]
    assert program.get(f"/api/v1/jobs/{id}/attempts?after=x").status_code == 422


def test_a_comparison_counts_from_the_first_attempt(site: Site) -> None:
    id, other = _retried(site), site.program().submit("add", 1, 2)
    rows = site.program().get(f"/api/v1/jobs/{id}/compare/{other}").get_json()["rows"]
    left = {row["name"]: row["left"] for row in rows}
    assert left["Wait before the first attempt"] == 1
    assert left["Outcomes"] == ", ".join(["…", *["failed"] * 50])


def test_long_tracebacks_are_shown_one_at_a_time(site: Site) -> None:
    id, visit = _retried(site, attempts=40, traceback="Traceback\n" + "x" * 63_000), site.browser()
    page = visit.get(f"/jobs/{id}").text
    assert len(page) < SMALL
    assert page.count('class="traceback"') == 1
    assert f'href="/jobs/{id}/attempts?after=4">Traceback<span class="unseen"> of attempt 3<' in page
    assert 'aria-label="Traceback of attempt 3"' in visit.get(f"/jobs/{id}/attempts?after=4").text


def test_an_event_about_progress_has_no_details(site: Site) -> None:
    id, visit = _retried(site, state=State.RUNNING), site.browser()
    with Stream(visit, f"/jobs/{id}/events") as stream:
        first = stream.message()
        assert 'hx-target="#details"' in first
        assert len(first) < SMALL
        _change(id, progress_done=1, progress_total=2, progress_message="half")
        progress = stream.message()
        assert "half" in progress
        assert 'hx-target="#details"' not in progress
        assert len(progress) < 5_000
        _change(id, attempt=ATTEMPTS + 1)
        assert 'hx-target="#details"' in stream.message()
        _change(id, state=State.SUCCEEDED, result=3, finished_at=now())
        *_, last, _done = stream.rest()
        assert 'hx-target="#details"' in last


def test_long_arguments_are_shown_in_part_and_downloaded_as_a_whole(site: Site) -> None:
    id, visit = _large(site), site.browser()
    for path in (f"/jobs/{id}", f"/jobs/{id}/live", f"/jobs/{id}/compare/{id}", "/actors/add?tab=api"):
        page = visit.get(path)
        assert (page.status_code, len(page.text) < SMALL) == (200, True), path
    assert f'href="/jobs/{id}/submission">Download all arguments' in visit.get(f"/jobs/{id}").text
    with Stream(visit, f"/jobs/{id}/events") as stream:
        assert len(stream.message()) < SMALL
    whole = visit.get(f"/jobs/{id}/submission")
    assert whole.headers["Content-Disposition"] == "attachment; filename=job.json"
    assert (whole.get_json()["actor"], whole.get_json()["kwargs"]) == ("add", _LONG)


def test_a_long_result_is_shown_in_part(site: Site) -> None:
    id, visit = site.program().submit("add", 1, 2), site.browser()
    _change(id, state=State.SUCCEEDED, result=_LONG["x"][:15_000], finished_at=now())
    page = visit.get(f"/jobs/{id}").text
    assert len(page) < SMALL
    assert f'href="/jobs/{id}/result">Download the whole result' in page
    assert len(visit.get(f"/jobs/{id}/compare/{id}").text) < SMALL


def test_many_arguments_are_shown_in_part(site: Site) -> None:
    id, visit = site.program().submit("add", 1, 2), site.browser()
    _change(id, kwargs={f"{number} {'n' * 300}": "v" * 300 for number in range(1_000)}, args=[])
    page = visit.get(f"/jobs/{id}").text
    assert len(page) < SMALL
    assert "Download all arguments" in page
    assert visit.get(f"/jobs/{id}/submission").get_json()["kwargs"].keys() == {f"{number} {'n' * 300}" for number in range(1_000)}


@pytest.mark.both_stores
def test_an_error_group_reads_the_arguments_of_a_job_once(site: Site) -> None:
    id = _retried(site, attempts=500)
    with write() as session:
        counting.note_new(session)
    parsed: list[object] = []

    def arguments(actor: str | None, args: Any, kwargs: Any) -> dict[str, Any]:
        parsed.append(args)
        return {"x": 1}

    with texts.search_fields.replaced(arguments):
        page = in_words(site.browser().get("/errors/0123456789abcdef").text)
        assert "Argument x 1 500 (100 %)" in page
        assert parsed == [[1, 2]]
        _change(id, kwargs=_LONG)
        assert "Argument x" not in in_words(site.browser().get("/errors/0123456789abcdef").text)


def _large(site: Site) -> str:
    """Return the id of a job with 0.8 MB of arguments, which doubles when it is written as HTML."""
    id = site.program().submit("add", 1, 2)
    _change(id, args=[], kwargs=_LONG)
    return id


def _change(id: str, **values: Any) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))
