"""Console extensions: renderers, tabs and links of a team, with escaping, time limits and permissions."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import update

import tests.actors.web
from src import console
from src.console import JobView, Markup, actor_tab, job_tab, link, renderer
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.jobs.read import queries
from src.operations.people.roles import Role
from src.sql import database
from src.web.render import extensions
from tests.harness.site import Site, in_words

assert tests.actors.web


@pytest.fixture(autouse=True)
def only_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declarations of one test end with it."""
    for name in ("_renderers", "_tabs", "_links"):
        monkeypatch.setattr(console, name, {})


@pytest.fixture
def slow() -> Iterator[threading.Event]:
    """An event for which a function of a team waits; it is set at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


def _succeeded(site: Site, result: object = 3) -> str:
    id = site.program().submit("add", 1, 2)
    with database.write() as session:
        session.execute(update(Job).where(Job.id == id).values(state=State.SUCCEEDED, result=result))
    return id


def test_a_renderer_shows_a_result_and_an_argument_and_text_is_escaped(site: Site) -> None:
    @renderer("add")
    def sum_of(value: int, job: JobView) -> str:
        return f"<b>{job.arguments['x']} + {job.arguments['y']} = {value}</b>"

    @renderer("add", argument="x")
    def marked(value: int, job: JobView) -> Markup:
        return Markup("<mark>{} of {}</mark>").format(value, "<add>")

    page = site.browser().get(f"/jobs/{_succeeded(site)}").text

    assert "&lt;b&gt;1 + 2 = 3&lt;/b&gt;" in page
    assert "<mark>1 of &lt;add&gt;</mark>" in page
    assert 'aria-label="Result">3</pre>' in page, "the plain JSON stays at hand"


def test_failing_slow_and_wrong_extensions_are_shown_as_failed_and_the_page_goes_on(
    site: Site, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extensions, "LIMIT_S", 0.5)
    renderer("add")(lambda value, job: 1 / 0)
    renderer("add", argument="x")(lambda value, job: str(slow.wait()))
    renderer("add", argument="y")(lambda value, job: value)

    answer = site.browser().get(f"/jobs/{_succeeded(site)}")
    words = in_words(answer.text)

    assert answer.status_code == 200
    assert "Result failed: ZeroDivisionError: division by zero." in words
    assert "x failed: no answer within 0.5 s." in words
    assert "y failed: it returned int; text or Markup is expected." in words
    assert "Attempts" in words


def test_calls_that_never_return_do_not_use_up_threads(site: Site, slow: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "LIMIT_S", 0.01)
    monkeypatch.setattr(extensions, "_room", threading.BoundedSemaphore(2))
    outcomes = [extensions.call(slow.wait).problem for _ in range(3)]

    assert outcomes[:2] == ["no answer within 0.01 s"] * 2
    assert outcomes[2] == f"{extensions.MOST_AT_ONCE} earlier calls have not returned yet"


def test_tabs_have_pages_of_their_own_for_jobs_and_actors(site: Site) -> None:
    @job_tab("Order & customer", "add")
    def order(job: JobView) -> str:
        return f"order {job.arguments['x']} is {job.state}"

    @actor_tab("Stock", "add")
    def stock(name: str) -> Markup:
        return Markup("<table><tr><td>12 of {}</td></tr></table>").format(name)

    id, visit = _succeeded(site), site.browser()

    assert f'href="/jobs/{id}/tabs/order-customer">Order &amp; customer</a>' in visit.get(f"/jobs/{id}").text
    assert "order 1 is succeeded" in visit.get(f"/jobs/{id}/tabs/order-customer").text
    assert 'href="/actors/add/tabs/stock"' in visit.get("/actors/add").text
    assert "<td>12 of add</td>" in visit.get("/actors/add/tabs/stock").text
    for address, label in ((f"/jobs/{id}/tabs/order-customer", "Jobs"), ("/actors/add/tabs/stock", "Actors")):
        assert re.search(rf'aria-current="page">(?:(?!</a>).)*<span>{label}</span>', visit.get(address).text), "the menu"
    assert "/tabs/" not in visit.get("/actors/mul").text
    for page in (visit.get("/actors/add").text, visit.get("/actors/add/tabs/stock").text):
        [row] = re.findall(r'<nav class="tabs".*?</nav>', page, re.S)
        assert in_words(row).strip() == "Run Jobs Schedules Batches API Settings Stock"
    assert visit.get(f"/jobs/{id}/tabs/stock").status_code == 404
    assert visit.get("/actors/mul/tabs/stock").status_code == 404


def test_a_tab_reads_only_what_its_viewer_may_see(site: Site) -> None:
    @job_tab("Beside", "add")
    def beside(job: JobView) -> str:
        with database.read() as session:
            return f"{len(queries.page(session, limit=50).jobs)} jobs"

    id = _succeeded(site)
    site.program().submit("mul", 1, 2)
    limited = site.browser(Role.VIEWER, actors=["add"])

    assert "1 jobs" in limited.get(f"/jobs/{id}/tabs/beside").text
    assert "2 jobs" in site.browser().get(f"/jobs/{id}/tabs/beside").text
    assert site.browser(Role.VIEWER, actors=["mul"]).get(f"/jobs/{id}/tabs/beside").status_code == 404
    assert site.browser(Role.VIEWER, actors=["mul"]).get("/actors/add/tabs/beside").status_code == 403


def test_a_link_needs_all_its_arguments_and_encodes_them(site: Site) -> None:
    link("https://shop.example/orders/{x}?from={job_id}", "add", label="Order {x}")
    link("https://shop.example/{none}", label="Missing")
    id = _succeeded(site)

    page = site.browser().get(f"/jobs/{id}").text

    assert f'<a href="https://shop.example/orders/1?from={id}" rel="noreferrer">Order 1</a>' in page
    assert "Missing" not in page
    document = site.program().get(f"/api/v1/jobs/{id}").get_json()
    assert document["links"] == [{"label": "Order 1", "url": f"https://shop.example/orders/1?from={id}"}]


def test_a_link_never_shows_a_secret(site: Site) -> None:
    link("https://shop.example/{key}", "unlock", label="Key")
    id = site.program().post("/api/v1/jobs", {"actor": "unlock", "kwargs": {"key": "hunter2"}}).get_json()["id"]

    page = site.browser().get(f"/jobs/{id}").text

    assert "shop.example" not in page
    assert "hunter2" not in page
    assert site.program().get(f"/api/v1/jobs/{id}").get_json()["links"] == []


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("javascript:alert({x})", "is not a link"),
        ("https://{x}.example", "is not a link"),
        ("https://shop/{x.__class__}", "is not the name of an argument"),
        ("https://shop/{0}", "is not the name of an argument"),
    ],
)
def test_an_unsafe_link_is_refused_where_it_is_declared(address: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        link(address, label="Shop")


def test_values_are_encoded_in_addresses_and_empty_ones_make_no_link() -> None:
    link("https://shop/{x}", label="{x}")

    assert console.links("add", {"x": "a/b ?&ü"}) == [("a/b ?&ü", "https://shop/a%2Fb%20%3F%26%C3%BC")]
    assert console.links("add", {"x": ""}) == console.links("add", {"x": None}) == console.links("add", {"x": [1]}) == []


@pytest.mark.parametrize("template", ["{x:d}", "{x:>9}", "{x!r}", "{x:{y}}"])
def test_a_link_takes_arguments_by_name_only_so_that_none_can_fail(template: str) -> None:
    with pytest.raises(ValueError, match="only its name may stand in braces"):
        link(f"https://shop.example/{template}", label="Order")
    with pytest.raises(ValueError, match="only its name may stand in braces"):
        link("https://shop.example/", label=f"Order {template}")


def test_half_a_character_ends_neither_links_nor_renderers_and_their_page(site: Site) -> None:
    link("https://shop.example/{x}", label="Order {x}")
    renderer("add")(lambda value, job: f"{value} \0 end")
    renderer("add", argument="y")(lambda value, job: Markup("<b>{}</b>").format(job.arguments["x"]))
    id = _succeeded(site, "\ud800")
    with database.write() as session:
        session.execute(update(Job).where(Job.id == id).values(args=["\ud800", 2]))

    answer = site.browser().get(f"/jobs/{id}")

    assert answer.status_code == 200
    assert 'href="https://shop.example/%3F"' in answer.text
    assert "? ␀ end</pre>" in answer.text
    assert "<b>?</b>" in answer.text


def test_failures_of_any_callable_are_told_in_a_few_words(monkeypatch: pytest.MonkeyPatch, slow: threading.Event) -> None:
    def fail(text: str) -> str:
        raise ValueError(text)

    monkeypatch.setattr(extensions, "LIMIT_S", 0.5)
    told = extensions.call(partial(fail, "\ud800\0" + "x" * 5_000)).problem
    assert told is not None
    assert told.startswith("ValueError: \\ud800\\x00xxx")
    assert len(told) < 1_200
    assert extensions.call(partial(slow.wait)).problem == "no answer within 0.5 s"
