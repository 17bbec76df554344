"""One time range for every page: read from the URL, and kept by the links of the menu."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import insert

from src.jobs.core.models import FailureGroup
from src.sql.clock import now
from src.sql.database import write
from tests.harness.jobs import hired
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


#: pages that show a range; their exports of the present have none
RANGED = re.compile(r"/((errors|actors|queues|workers|schedules)(\?(?!format).*)?|errors\?format.*|queues/[^/]+|actors/add(\?tab.*)?)")


@pytest.mark.parametrize("path", ["/", "/errors", "/errors?q=nothing", "/actors", "/queues", "/workers", "/queues/default", "/actors/add"])
def test_links_from_one_list_to_another_keep_the_range(site: Site, browser: Visit, path: str) -> None:
    site.program().submit("add", 1, 2)
    hired(site.database)
    with write() as session:
        for number in range(60):
            row = {"fingerprint": f"{number:016x}", "kind": "OSError", "place": "shop:pay", "message": "no", "actors": ["add"], "count": 1}
            times = dict.fromkeys(("first_seen_at", "opened_at", "last_seen_at"), now())
            session.execute(insert(FailureGroup).values(**row, **times, count_before=0, mailed_count=0))
    page = browser.get(f"{path}{'&' if '?' in path else '?'}range=7d").text
    found = [html.unescape(each) for each in re.findall(r'href="([^"]+)"', page)]
    ranged = [each for each in found if RANGED.fullmatch(each)]
    assert ranged
    assert [each for each in ranged if "range=" not in each] == []
    if path == "/errors":
        assert {"sort=count", "sort=first", "format=csv", "format=json", "after="} <= {
            part for each in ranged for part in re.findall(r"sort=\w+|format=\w+|after=", each)
        }
        assert '<input type="hidden" name="range" value="7d">' in page.split('<form class="query"')[1].split("</form>")[0]


def test_an_empty_list_of_errors_says_that_it_is_of_a_range(browser: Visit) -> None:
    assert "No unresolved errors in this range." in browser.get("/errors?range=7d").text
    assert "No unresolved errors." in browser.get("/errors").text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("range=3y", "Unknown range 3y. Choose one of 15m, 1h, 6h, 24h, 7d, 30d"),
        ("from=yesterday", "`from` must be a time such as 2030-12-31T18:00"),
        ("until=2026-11-01T10:00", "Give the start of the range"),
        ("from=2026-11-02T10:00&until=2026-11-01T10:00", "`from` must be before `until`"),
        ("from=1990-11-02T10:00", "at most 400 days"),
    ],
)
def test_a_wrong_range_is_explained_and_the_default_shown(browser: Visit, query: str, message: str) -> None:
    answer = browser.get(f"/?{query}")
    assert answer.status_code == 200
    problem = html.unescape(answer.text.split('class="error range-problem" role="alert">')[1].split("</p>")[0])
    assert message in problem
    assert problem.endswith("Shown: last hour.")
    assert "/queues" in _menu(answer.text)
