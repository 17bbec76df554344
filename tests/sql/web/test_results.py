"""Large results on pages and in the API: announced, shown in part, and returned whole on request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from src.jobs import State
from src.jobs.core.models import Job
from src.jobs.files import result_files
from src.jobs.read import queries
from src.settings import get_settings
from src.sql.clock import now
from src.sql.database import write
from tests.harness.site import Site, in_words

LARGE = {"rows": ["<b>a row</b>"] * 500}


@pytest.fixture(autouse=True)
def folder(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CALLBOARD_RESULTS_DIR", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    get_settings.cache_clear()


def succeeded(site: Site, result: Any) -> str:
    """A job whose result is in a file."""
    id, text = site.program().submit("add", 1, 2), json.dumps(result)
    with write() as session:
        job = queries.find(session, id)
        assert job is not None
        name = result_files.keep(job.seq, 1, text)
        session.execute(
            update(Job).where(Job.id == id).values(state=State.SUCCEEDED, result_file=name, result_bytes=len(text), finished_at=now())
        )
    return id


def test_a_large_result_is_no_part_of_the_job_but_has_an_address(site: Site) -> None:
    program, id = site.program(), succeeded(site, LARGE)
    document = program.get(f"/api/v1/jobs/{id}").get_json()
    assert (document["result"], document["result_bytes"]) == (None, len(json.dumps(LARGE)))

    with program.get(f"/api/v1/jobs/{id}/result") as answer:
        assert (answer.status_code, answer.mimetype, answer.get_json()) == (200, "application/json", LARGE)
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_page_shows_how_it_begins_and_lets_it_be_downloaded(site: Site) -> None:
    visit, id = site.browser(), succeeded(site, LARGE)
    page = visit.get(f"/jobs/{id}").text
    assert "bytes of JSON, in a file" in in_words(page)
    assert "{&#34;rows&#34;: [&#34;&lt;b&gt;a row&lt;/b&gt;" in page
    assert "<b>a row" not in page
    answer = visit.get(f"/jobs/{id}/result")
    assert (answer.get_json(), answer.headers["Content-Disposition"]) == (LARGE, "attachment; filename=result.json")
    assert site.stranger().get(f"/jobs/{id}/result").status_code == 303


def test_a_small_result_has_the_same_address_and_what_is_no_json_becomes_null(site: Site) -> None:
    program = site.program()
    id = program.submit("add", 1, 2)
    refused = program.get(f"/api/v1/jobs/{id}/result")
    assert (refused.status_code, "only a succeeded job" in refused.get_json()["detail"]) == (409, True)
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(state=State.SUCCEEDED, result=[1, float("nan")], finished_at=now()))
    assert program.get(f"/api/v1/jobs/{id}/result").get_json() == [1, None]
    assert program.get(f"/api/v1/jobs/{succeeded(site, [float('inf'), 'NaN'])}/result").get_json() == [None, "NaN"]
    assert program.get("/api/v1/jobs/00000000-0000-7000-8000-000000000000/result").status_code == 404


def test_a_file_that_this_host_does_not_see_is_said_with_the_cure(site: Site, folder: Path) -> None:
    program, id = site.program(), succeeded(site, LARGE)
    for path in folder.rglob("*.json"):
        path.unlink()
    answer = program.get(f"/api/v1/jobs/{id}/result")
    assert (answer.status_code, "CALLBOARD_RESULTS_DIR" in answer.get_json()["detail"]) == (404, True)
    assert "CALLBOARD_RESULTS_DIR" in site.browser().get(f"/jobs/{id}").text
