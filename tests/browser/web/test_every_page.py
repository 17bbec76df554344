"""Every page of the console: accessible, narrow enough, light, and usable without JavaScript.

The pages are those of the URL map: a route with neither a sample here nor a reason to be excluded fails.
"""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.serving import make_server

import src.actors
from src.jobs.core.envelopes import leave_to_relay, publisher
from src.sql.database import Database
from src.web import create_app
from tests.harness.sample import furnish
from tests.harness.site import Site, Visit
from tests.harness.stores import OpenStore, using

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
#: bytes of a first visit, compressed: the page, its styles, scripts and icons
MOST_BYTES = 60_000
WIDTHS = (360, 768, 1440)
SCHEMES = ("light", "dark")

#: endpoint -> the addresses that are looked at, with the ids of sample.py
PAGES: dict[str, tuple[str, ...]] = {
    "overview.show": ("/",),
    "actors.index": ("/actors",),
    "actors.form": (
        "/actors/add",
        "/actors/add?tab=jobs",
        "/actors/add?tab=settings",
        "/actors/order",
        "/actors/unlock",
        "/actors/archive",
    ),
    "batches.index": ("/batches",),
    "batches.new": ("/actors/order/rows",),
    "batches.show": ("/batches/{batch}", "/batches/{draft}"),
    "api_docs.show": ("/api/docs",),
    "account.show": ("/account",),
    "configuration.index": ("/admin/settings",),
    "backups.index": ("/admin/backups",),
    "people.index": ("/admin/users",),
    "sign_ins.index": ("/admin/sessions",),
    "webhooks.index": ("/admin/webhooks",),
    "webhooks.show": ("/admin/webhooks/{webhook}",),
    "bulk.confirm": ("/jobs/many?verb=retry&q=state:dead",),
    "alerts.index": ("/alerts",),
    "errors.index": ("/errors",),
    "errors.show": ("/errors/0123456789abcdef",),
    "jobs.change_and_rerun": ("/jobs/{job}/re-run",),
    "workers.index": ("/workers",),
    "workers.show": ("/workers/here:1",),
    "tokens.index": ("/admin/tokens",),
    "audit.index": ("/admin/audit",),
    "count.show": ("/count",),
    "held.index": ("/held",),
    "jobs.index": ("/jobs", "/jobs?state=dead"),
    "jobs.show": ("/jobs/{job}", "/jobs/{running}"),
    "jobs.list_attempts": ("/jobs/{job}/attempts",),
    "tabs.of_job": ("/jobs/{job}/tabs/notes",),
    "tabs.of_actor": ("/actors/add/tabs/stock",),
    "jobs.edit": ("/jobs/{waiting}/edit",),
    "comparison.history": ("/jobs/{job}/runs",),
    "comparison.show": ("/jobs/{job}/compare/{succeeded}",),
    "mailbox.index": ("/mailbox",),
    "mailbox.show": ("/mailbox/{received}",),
    "mails.index": ("/mails",),
    "mails.show": ("/mails/{mail}",),
    "queues.index": ("/queues",),
    "queues.show": ("/queues/default",),
    "letters.index": ("/queues/default/dead-letters",),
    "forecasts.queue": ("/queues/default/forecast?workers=4",),
    "reports.index": ("/reports",),
    "reports.issues": ("/reports/orders",),
    "reports.show": ("/reports/orders/2026-03-18-aa",),
    "schedules.index": ("/schedules",),
    "schedules.new": ("/schedules/new", "/schedules/new?actor=order"),
    "schedules.show": ("/schedules/{schedule}",),
    "schedules.edit": ("/schedules/{schedule}/edit",),
    "auth.sign_in": ("/sign-in",),
    "usage.index": ("/usage", "/usage?by=day"),
    "users.index": ("/users",),
    "users.new": ("/users/new",),
    "workflows.index": ("/workflows",),
    "workflows.show": ("/workflows/{workflow}", "/workflows/{workflow}?view=gantt"),
}
EVERY = tuple(path for paths in PAGES.values() for path in paths)
#: pages with scripts of their own: suggestions, a live job, a preview, a graph
SCRIPTED = ("/jobs", "/jobs/{running}", "/schedules/{schedule}/edit", "/workflows/{workflow}")
#: GET routes that are not pages
NO_PAGES = {
    "static": "files", "openapi": "a document", "metrics.show": "for Prometheus", "health.alive": "for probes", "health.ready": "for probes",
    "auth.follow_link": "leads to the overview", "batches.template": "a file", "batches.rows": "a file", "batches.progress": "part of batches.show",
    "jobs.suggest": "part of jobs.index", "bar.find": "leads to a job, an actor or jobs.index", "bar.suggest": "part of the palette", "newer_jobs.show": "part of jobs.index",
    "forecasts.job": "part of jobs.show", "forecasts.actor": "leads to forecasts.queue", "jobs.log": "plain text", "jobs.whole_log": "plain text", "comparison.choose": "leads to comparison.show", "jobs.file": "a file", "jobs.result": "a file", "jobs.submission": "a file", "jobs.live": "part of jobs.show", "jobs.events": "a stream",
    "workflows.live": "part of workflows.show", "workflows.events": "a stream", "schedules.show_preview": "part of schedules.new",
    "mails.html": "the letter itself, in a frame", "mails.part": "a file", "mails.raw": "a file", "mailbox.html": "the letter itself, in a frame",
    "mailbox.part": "a file", "mailbox.raw": "a file", "reports.latest": "leads to reports.show", "reports.save": "a file",
}  # fmt: skip


@dataclass(frozen=True)
class Console:
    """A furnished console with a server of its own."""

    site: Site
    url: str
    ids: dict[str, str]

    @property
    def paths(self) -> list[str]:
        return [path.format(**self.ids) for path in EVERY]


@pytest.fixture(scope="module")
def console(open_store: OpenStore) -> Iterator[Console]:
    monkeypatch = pytest.MonkeyPatch()
    publisher.connect(leave_to_relay)
    with open_store("sqlite", "pages") as database, using(database, monkeypatch):
        site = _served(database)
        server = make_server("127.0.0.1", 0, site.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Console(site, f"http://127.0.0.1:{server.port}", furnish(site))
        server.shutdown()
        thread.join()
        server.server_close()
    monkeypatch.undo()


def _served(database: Database) -> Site:
    return Site(database, create_app())


def _signed_in(context: BrowserContext, console: Console) -> BrowserContext:
    cookies = console.site.browser().client._cookies or {}
    context.add_cookies([{"name": each.key, "value": each.value, "url": console.url} for each in cookies.values()])
    return context


@pytest.fixture(scope="module")
def tab(chromium: Browser, console: Console) -> Iterator[Page]:
    context = _signed_in(chromium.new_context(base_url=console.url), console)
    page = context.new_page()
    page.add_init_script(AXE)  # sent once, not with each page
    yield page
    context.close()


def _look(tab: Page, path: str, width: int, scheme: Any) -> list[str]:
    """Return the problems of a page at this width and in this scheme."""
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 900})
    # Preloading is for rules that are not about this: sound that starts by itself, the orientation of a phone.
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations'], iframes: false, preload: false})")
    wrong = [
        f"{path} {width} {scheme}: {each['id']} ({each['impact']}): {each['help']}: {[node['target'] for node in each['nodes'][:3]]}"
        for each in found["violations"]
    ]
    return wrong + _measure(tab, path, width)


_WIDE = """() => {
  const page = document.documentElement, tables = [...document.querySelectorAll('main table')].filter(each => each.checkVisibility());
  const wide = tables.filter(each => each.getBoundingClientRect().width > (each.closest('.scroll') ?? each.parentElement).clientWidth + 1);
  return [page.scrollWidth - page.clientWidth, wide.map(each => each.caption?.textContent ?? each.className)];
}"""


_APART = """() => {
  const walk = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT), found = [];
  while (walk.nextNode()) {
    const text = walk.currentNode.data.trim(), parent = walk.currentNode.parentElement;
    if (/^[,.:;]/.test(text) && parent.checkVisibility() && getComputedStyle(parent).display.includes('flex')) found.push(parent.innerText.slice(0, 80));
  }
  return found;
}"""


def _punctuation(tab: Page, path: str) -> list[str]:
    """Return the sentences whose parts are laid out side by side, with a gap before a comma or full stop."""
    return [f"{path}: a gap before the punctuation of {text!r}" for text in tab.evaluate(_APART)]


def _measure(tab: Page, path: str, width: int) -> list[str]:
    """Return what is wider than the page at this width."""
    tab.set_viewport_size({"width": width, "height": 900})
    over, tables = tab.evaluate(_WIDE)
    wrong = [f"{path} {width}: scrolls sideways by {over} px"] if over > 0 else []
    return [*wrong, *(f"{path} {width}: the table {name} is wider than its page" for name in tables)]


def test_every_address_is_a_page_with_a_sample_or_has_a_reason_why_not(console: Console) -> None:
    asked = {rule.endpoint for rule in console.site.app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    known = PAGES.keys() | NO_PAGES.keys()
    assert {each for each in asked if not each.startswith("api.")} == known


def test_every_page_is_a_page_without_javascript_and_a_first_visit_is_small_and_asks_no_other_host(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {name: actor for name, actor in src.actors.broker.actors.items() if (actor.fn.__module__ or "").startswith("src.")}
    visit, sizes, files = console.site.browser(), dict[str, int](), dict[str, int]()
    for path in console.paths:
        with monkeypatch.context() as only:
            if path == "/api/docs":  # it grows with the number of actors: without those of other tests
                only.setattr(src.actors.broker, "actors", own)
            answer = visit.client.get(path, headers={"Accept-Encoding": "gzip"}, buffered=True)
        html = gzip.decompress(answer.data).decode() if answer.headers.get("Content-Encoding") == "gzip" else answer.text
        assert answer.status_code == 200, path
        assert re.search(r"<main\b.*<h1\b", html, re.DOTALL), path
        # Controls that need scripts are made by scripts.
        assert not re.search(r"<button[^>]* type=[\"']?button", html), path
        sizes[path] = len(answer.data) + sum(_size(visit, each, files) for each in _asked(html))
    heaviest = max(sizes, key=lambda path: sizes[path])
    print(f"first visit: at most {sizes[heaviest]} bytes compressed, of {heaviest}; {min(sizes.values())} at least")
    assert sizes[heaviest] <= MOST_BYTES, sizes


def test_every_page_passes_axe_and_fits_a_phone(tab: Page, console: Console) -> None:
    wrong: list[str] = []
    for number, path in enumerate(console.paths):
        tab.goto(path, wait_until="domcontentloaded")
        # A phone always, by turns light and dark; the rest of the matrix takes minutes.
        wrong += _look(tab, path, WIDTHS[0], SCHEMES[number % 2])
        wrong += [each for width in WIDTHS[1:] for each in _measure(tab, path, width)]
        wrong += _punctuation(tab, path)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_every_page_passes_axe_at_every_width_light_and_dark(tab: Page, console: Console) -> None:
    wrong: list[str] = []
    for path in console.paths:
        tab.goto(path, wait_until="domcontentloaded")
        for width in WIDTHS:
            for scheme in SCHEMES:
                wrong += _look(tab, path, width, scheme)
    assert not wrong, "\n".join(wrong)


# Every page as it comes without a browser: the test above.
@pytest.mark.parametrize("pages", [pytest.param(SCRIPTED, id="scripted"), pytest.param(EVERY, marks=pytest.mark.slow, id="every")])
def test_pages_are_there_without_javascript(pages: tuple[str, ...], chromium: Browser, console: Console) -> None:
    context = _signed_in(chromium.new_context(base_url=console.url, java_script_enabled=False), console)
    page = context.new_page()
    for path in [each.format(**console.ids) for each in pages]:
        answer = page.goto(path, wait_until="domcontentloaded")
        assert answer is not None
        assert answer.status == 200, path
        assert page.locator("main h1").first.is_visible(), path
        # Controls that need scripts are not offered.
        assert page.locator("button[type=button]:visible").count() == 0, path
    context.close()


def test_a_drag_on_a_chart_shows_that_time_alone(tab: Page) -> None:
    tab.set_viewport_size({"width": 1440, "height": 900})
    tab.goto("/?range=24h", wait_until="load")
    chart = tab.locator("svg[data-since]").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    since, until = (int(chart.get_attribute(f"data-{name}") or 0) for name in ("since", "until"))
    tab.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 80)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 80)
    with tab.expect_navigation(url=re.compile("from=.*until=")):
        tab.mouse.up()
    chosen = dict(re.findall(r"(from|until)=([^&]+)", unquote(tab.url)))
    length = (datetime.fromisoformat(chosen["until"]) - datetime.fromisoformat(chosen["from"])).total_seconds()
    assert 0.2 < length / (until - since) < 0.3
    assert tab.locator(".ranges summary").inner_text().count("–") == 1


_KEYS = """() => {
  const seen = [], box = element => element.getBoundingClientRect();
  const reachable = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"], iframe')]
    .filter(each => each.tabIndex >= 0 && !each.disabled && each.type !== 'hidden' && box(each).width > 0 && each.checkVisibility({visibilityProperty: true}));
  // A group of radio buttons is one stop.
  const radios = new Set(reachable.filter(each => each.type === 'radio').map(each => each.name));
  return reachable.filter(each => each.type !== 'radio').length + radios.size;
}"""
_FOCUSED = """() => {
  const element = document.activeElement;
  if (element === document.body) return null;
  element.dataset.stop ??= String(window.stops = (window.stops ?? 0) + 1);
  const shown = [null, '::after'].some(part => {
    const style = getComputedStyle(element, part);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && style.content !== 'none';
  });
  return {stop: element.dataset.stop, shown, what: element.outerHTML.slice(0, 120)};
}"""


def _walk(tab: Page, path: str) -> list[str]:
    """Tab through a page: the skip link first, every control once, each with a visible focus, and out at the end."""
    tab.set_viewport_size({"width": 1440, "height": 900})
    tab.goto(path, wait_until="domcontentloaded")
    expected = tab.evaluate(_KEYS)
    wrong, stops, last = [], set[str](), ""
    for press in range(expected * 8 + 20):
        tab.keyboard.press("Tab")
        focused = tab.evaluate(_FOCUSED)
        if focused is not None and focused["stop"] == last:
            continue  # a date has a stop for each of its parts
        if focused is None or focused["stop"] in stops:
            break
        last = focused["stop"]
        stops.add(last)
        if focused["what"].startswith("<iframe"):
            focused = tab.frames[1].evaluate(_FOCUSED) or focused  # the focused element shows it, never the frame around it
        if press == 0 and 'class="skip"' not in focused["what"]:
            wrong.append(f"{path}: the first stop is {focused['what']}")
        if not focused["shown"]:
            wrong.append(f"{path}: no visible focus on {focused['what']}")
    if len(stops) < expected:
        wrong.append(f"{path}: {len(stops)} of {expected} controls reached")
    return wrong


def test_forms_and_lists_are_walked_by_keyboard(tab: Page, console: Console) -> None:
    wrong: list[str] = []
    for path in ("/actors/order", f"/jobs/{console.ids['job']}", f"/batches/{console.ids['draft']}"):
        wrong += _walk(tab, path)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_every_page_is_walked_by_keyboard(tab: Page, console: Console) -> None:
    wrong = [problem for path in console.paths if not path.startswith("/sign-in") for problem in _walk(tab, path)]
    assert not wrong, "\n".join(wrong)


def _asked(html: str) -> set[str]:
    """Return the addresses that a page loads by itself, but for framed emails."""
    asked = set(re.findall(r'<(?:link|script|img|iframe|use)[^>]*?(?:href|src)="([^"#]+)', html))
    assert all(each.startswith("/") and not each.startswith("//") for each in asked), asked
    return {address.replace("&amp;", "&") for address in asked if not re.search(r"/html$", address)}


def _size(visit: Visit, file: str, known: dict[str, int]) -> int:
    """Return the compressed size of a file, loaded once."""
    if file not in known:
        answer = visit.client.get(file, headers={"Accept-Encoding": "gzip"}, buffered=True)
        assert answer.status_code == 200, file
        assert answer.headers.get("Content-Encoding") == "gzip" or not file.startswith("/static"), file
        known[file] = len(answer.data)
    return known[file]


def test_what_is_compressed_says_the_same_and_what_need_not_be_is_left_alone(console: Console) -> None:
    visit = console.site.browser()
    plain, packed = (visit.client.get("/actors", headers={"Accept-Encoding": coding}, buffered=True) for coding in ("identity", "gzip"))
    assert "Content-Encoding" not in plain.headers
    assert len(packed.data) < len(plain.data) / 2
    assert re.sub(r'value="[^"]*"', "", gzip.decompress(packed.data).decode()) == re.sub(r'value="[^"]*"', "", plain.text)
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert int(packed.headers["Content-Length"]) == len(packed.data)
    api = visit.client.get("/api/v1/jobs", headers={"Accept-Encoding": "gzip"}, buffered=True)
    assert "Content-Encoding" not in api.headers
