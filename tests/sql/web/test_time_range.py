"""One time range for every page: read from the URL, and kept by the links of the menu."""

from __future__ import annotations

import html
import re

import pytest

from tests.harness.site import Site, Visit


def _menu(page: str) -> list[str]:
    nav = page.split('aria-label="Main"')[1].split("</nav>")[0]
    return [html.unescape(each) for each in re.findall(r'href="([^"]+)"', nav)]


@pytest.fixture
def browser(site: Site) -> Visit:
    return site.browser()


def test_links_of_the_menu_keep_the_range(browser: Visit) -> None:
    assert "/queues?range=7d" in _menu(browser.get("/?range=7d").text)
    custom = _menu(browser.get("/?from=2026-11-01T10:00Z&until=2026-11-02T10:00Z").text)
    assert "/queues?from=2026-11-01T10:00:00Z&until=2026-11-02T10:00:00Z" in custom
    assert "/queues" in _menu(browser.get("/").text)


def test_the_picker_keeps_other_parameters_and_marks_the_range(browser: Visit) -> None:
    page = browser.get("/?range=6h&x=1").text
    assert '<a href="/?x=1&amp;range=6h" aria-current="true">6h</a>' in page
    assert '<input type="hidden" name="x" value="1">' in page


def test_a_range_is_a_term_of_the_query_of_jobs(browser: Visit) -> None:
    assert browser.get("/jobs?range=6h&q=state:dead+created:1h&format=json").get_json()["query"] == "state:dead created:6h"
    between = browser.get("/jobs?from=2026-11-01T10:00Z&until=2026-11-02T10:00Z&format=json").get_json()["query"]
    assert between == "created:2026-11-01T10:00:00Z..2026-11-02T10:00:00Z"
    assert browser.get("/jobs?format=json").get_json()["query"] == ""


@pytest.mark.parametrize(
    "path", ["/jobs", "/errors", "/actors", "/queues", "/workers", "/schedules", "/queues/default", "/actors/add?tab=jobs"]
)
def test_every_list_obeys_the_range(browser: Visit, path: str) -> None:
    answer = browser.get(f"{path}{'&' if '?' in path else '?'}range=30d")
    assert answer.status_code == 200
    assert 'aria-current="true">30d</a>' in answer.text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("range=3y", "Unknown range 3y. Choose one of 15m, 1h, 6h, 24h, 7d, 30d"),
        ("from=yesterday", "`from` must be a time such as 2030-12-31T18:00"),
        ("until=2026-11-01T10:00", "Give the begin of the range"),
        ("from=2026-11-02T10:00&until=2026-11-01T10:00", "`from` must be before `until`"),
        ("from=1990-11-02T10:00", "at most 400 days"),
    ],
)
def test_a_wrong_range_is_explained_and_the_default_shown(browser: Visit, query: str, message: str) -> None:
    answer = browser.get(f"/?{query}")
    assert answer.status_code == 200
    problem = html.unescape(answer.text.split('class="error range-problem" role="alert">')[1].split("</p>")[0])
    assert message in problem
    assert problem.endswith("Shown: last 1 h.")
    assert "/queues" in _menu(answer.text)
