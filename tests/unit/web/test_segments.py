"""Any text as one segment of a URL: written by links, or percent-encoded by a client, it comes back unchanged."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st

from src.formats.url_segments import segment
from src.web import create_app
from src.web.http.requests import path_segments

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=255)
AWKWARD = (
    "a/b",
    "/",
    "//",
    "/a//b/",
    "..",
    ".",
    "...",
    "../../etc",
    "a?b=c#d&e",
    "%2F",
    "%252f",
    "a%b",
    "~",
    "~2F",
    "\\",
    "a\\b",
    " ",
    "\n",
    "ü/\U0001f3ad",
    "many",
    "newer",
)


@pytest.fixture(scope="module")
def app() -> Flask:
    made = Flask(__name__)
    path_segments.init(made)
    made.add_url_rule("/jobs/many", endpoint="many", view_func=lambda: "the page of many")
    made.add_url_rule("/jobs/<id>", endpoint="show", view_func=lambda id: id)
    made.add_url_rule("/jobs/<id>/files/<file>", endpoint="file", view_func=lambda id, file: f"{id}|{file}")
    return made


@example("a/b").via("a slash")
@example("..").via("dots")
@given(text=texts)
def test_a_link_leads_to_the_value_in_it(app: Flask, text: str) -> None:
    with app.test_request_context():
        link = app.url_for("show", id=text, _external=True).removeprefix("http://localhost")
        nested = app.url_for("file", id=text, file=text, _external=True)
    client = app.test_client()

    assert client.get(link).text == text
    assert client.get(nested).text == f"{text}|{text}"
    assert client.get(f"/jobs/{segment(text)}").text == text


@pytest.mark.parametrize("text", AWKWARD)
def test_a_segment_that_the_client_percent_encodes_is_one_segment(app: Flask, text: str) -> None:
    if text in ("~2F", "many"):
        return  # for these it must follow the link that it was given
    quoted = quote(text, safe="").replace(".", "%2E")
    client = app.test_client()

    assert client.get(f"/jobs/{quoted}").text == text
    assert client.get(f"http://localhost/jobs/{quoted}/files/{quoted.replace('%2F', '%2f')}?a=b%2Fc").text == f"{text}|{text}"


def test_usual_ids_and_names_stand_in_addresses_as_they_are() -> None:
    for usual in ("0198c1f2-1d5e-7c3a-9e01-0123456789ab", "send_mail", "mail.urgent", "here:1", "2025-01-01-ab12"):
        assert segment(usual).replace("%3A", ":") == usual


def test_no_page_stands_where_the_address_of_a_job_would() -> None:
    taken = [str(rule).rsplit("/", 1) for rule in create_app().url_map.iter_rules() if "GET" in (rule.methods or ())]

    for folder, word in taken:
        if folder in ("/jobs", "/api/v1/jobs") and "<" not in word:
            assert segment(word) != word
