"""Request bodies that no row can hold are refused by name, and oversized ones before they are parsed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import update

from src.jobs.core.models import Job
from src.settings import get_settings
from src.sql.database import write
from src.web.http.json_bodies import DEEPEST_BODY, MOST_PARSED, ONE_JOB
from tests.harness.site import Site


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def _post(site: Site, body: str, path: str = "/api/v1/jobs") -> tuple[int, dict[str, str], str]:
    program = site.program()
    answer = program.client.post(path, data=body, headers={**program.headers, "Content-Type": "application/json"})
    assert answer.mimetype == "application/problem+json", answer.text[:300]
    problem = answer.get_json()
    assert len(answer.data) < 2_000
    return answer.status_code, {each["field"]: each["message"] for each in problem.get("errors", [])}, problem["detail"]


@pytest.mark.parametrize(
    ("path", "document", "fields"),
    [
        ("/api/v1/jobs", {"actor": "xsum", "args": [[1], _nested(300)]}, {"args"}),
        ("/api/v1/jobs", {"actor": "xsum", "args": [_nested(300)]}, {"numbers"}),
        ("/api/v1/jobs", {"actor": "xsum", "kwargs": {"numbers": _nested(201)}}, {"numbers"}),
        ("/api/v1/jobs", {"actor": "xsum", "kwargs": {"numbers": ["\ud800"]}}, {"numbers"}),
        ("/api/v1/jobs", {"actor": "xsum", "kwargs": {"\ud800": 1}}, {"\\ud800"}),
        ("/api/v1/jobs", {"actor": "\udfff", "args": []}, {"actor"}),
        ("/api/v1/jobs", {"actor": "xsum", "unique_key": "\ud800"}, {"unique_key"}),
        ("/api/v1/jobs", {"actor": "xsum", "\ud800": 1}, {"\\ud800"}),
        ("/api/v1/jobs/bulk", [{"actor": "xsum", "args": [[1]]}, {"actor": "xsum", "kwargs": {"numbers": ["\ud800"]}}], {"1.numbers"}),
        ("/api/v1/actors/xsum/jobs", {"kwargs": {"numbers": ["\ud800"]}}, {"numbers"}),
        ("/api/v1/schedules", {"name": "\ud800", "actor": "xsum"}, {"name"}),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_unstorable_text_is_refused_by_name(site: Site, path: str, document: Any, fields: set[str]) -> None:
    status, errors, detail = _post(site, json.dumps(document), path)
    assert (status, set(errors)) == (422, fields)
    assert detail.isascii() or "\ud800" not in detail


@pytest.mark.parametrize(
    "body",
    [
        '{"actor": "xsum", "actor": "count", "args": [[1]]}',
        '{"actor": "xsum", "kwargs": {"actor": [1], "actor": [2]}}',
        '{"actor": "xsum", "args": [[{"actor": 1, "\\u0061ctor": 2}]]}',
    ],
)
def test_a_name_that_is_given_twice_in_one_object_is_refused(site: Site, body: str) -> None:
    assert _post(site, body) == (400, {}, 'The body is not valid JSON: the name "actor" is given twice in one object.')


def test_a_body_in_another_encoding_is_refused_with_the_cure(site: Site) -> None:
    program = site.program()
    headers = {**program.headers, "Content-Type": "application/json; charset=latin-1"}
    answer = program.client.post("/api/v1/jobs", data='{"actor": "ä"}'.encode("latin-1"), headers=headers)
    assert (answer.status_code, answer.get_json()["detail"]) == (400, "The body is not UTF-8: send the JSON in UTF-8.")


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ({"actor": "xsum", "prioriti": 1}, {"prioriti": "There is no such field. Do you mean priority?"}),
        ({"actor": "xsum", "kwarg": {}}, {"kwarg": "There is no such field. Do you mean kwargs?"}),
        ({"actor": "xsum", "countdown": 5}, {"countdown": "There is no such field. The fields are: "}),
    ],
)
def test_an_unknown_field_names_the_right_word(site: Site, document: Any, errors: dict[str, str]) -> None:
    status, found, _ = _post(site, json.dumps(document))
    assert status == 422
    assert {name: text[: len(errors[name])] for name, text in found.items()} == errors


def test_an_unknown_query_parameter_of_the_api_is_refused_with_the_right_word(site: Site) -> None:
    program = site.program()
    for query, words in (
        ("limt=5", "limt: There is no such query parameter. Do you mean limit?"),
        ("query=state:dead", "query: There is no such query parameter. Do you mean queue? The query parameters are: "),
    ):
        answer = program.get(f"/api/v1/jobs?{query}")
        assert (answer.status_code, answer.get_json()["detail"][: len(words)]) == (422, words)
    assert program.get("/api/v1/queues?limit=5").get_json()["detail"] == "limit: There is no such query parameter. There are none here."


def test_an_unknown_query_parameter_of_a_stream_or_file_is_refused(site: Site) -> None:
    program = site.program()
    id = program.submit("xsum", [1])
    for path, words in (
        ("events?typ=job.dead", "typ: There is no such query parameter. Do you mean type?"),
        (f"jobs/{id}/events?afte=5", "afte: There is no such query parameter. Do you mean after?"),
        (f"workflows/{id}/events?zz=1", "zz: There is no such query parameter. There are none here."),
        (f"jobs/{id}/files/1?zz=1", "zz: There is no such query parameter. There are none here."),
    ):
        answer = program.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.get_json()["detail"][: len(words)]) == (422, words)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity"])
def test_a_number_that_json_does_not_have_is_refused(site: Site, number: str) -> None:
    status, _, detail = _post(site, f'{{"actor": "xsum", "args": [[{number}]]}}')
    assert (status, number in detail) == (400, True)


@pytest.mark.parametrize("levels", [DEEPEST_BODY + 5, 100_000])
def test_a_deep_body_is_not_parsed(site: Site, levels: int) -> None:
    status, _, detail = _post(site, '{"actor": "xsum", "args": [' + "[" * levels + "]" * levels + "]}")
    assert (status, "nested more than 200 levels deep" in detail) == (400, True)
    text = '{"actor": "xsum", "args": [["' + "[" * levels + '"]]}'  # brackets within a text are none
    assert list(_post(site, text)[1]) == ["numbers.0"]  # refused as a text


def test_a_body_that_would_fill_the_memory_is_not_parsed(site: Site) -> None:
    of_one = "[" + "[]," * ((get_settings().max_message_bytes * 2 + ONE_JOB) // 3) + "1]"
    assert _post(site, of_one)[0] == 413
    of_many = "[" + "[]," * (MOST_PARSED // 80) + "1]"
    status, _, detail = _post(site, of_many, "/api/v1/jobs/bulk")
    assert (status, "split the request" in detail) == (400, True)


def test_a_page_has_no_nul(site: Site) -> None:
    id = site.program().submit("xsum", [1])
    strange = {"zero\x00": "a\x00b", "in": ["\x00"]}
    for result in (strange, "a\x00b"):
        with write() as session:
            session.execute(update(Job).where(Job.id == id).values(result=result, kwargs=strange, args=["a\x00b"]))
        for path in (f"/jobs/{id}", "/jobs"):
            page = site.browser().get(path).data
            assert b"\x00" not in page, page[page.index(b"\x00") - 200 :][:300]


def test_a_body_that_is_not_an_object_is_refused_with_an_example(site: Site) -> None:
    assert _post(site, "[]", "/api/v1/limits") == (422, {}, 'Send a JSON object such as {"target": "queue:mail", "rate_limit": "50/m"}.')
    assert _post(site, "5", "/api/v1/schedules/preview")[2].startswith('Send a JSON object such as {"name": "nightly", "actor": "add"')
