"""A hidden tab holds no stream open, and follows its job again when it is shown."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.harness.callboard import Callboard

#: a browser's report about a background tab, where tests cannot put one
_HIDDEN = "window.away = true; Object.defineProperty(document, 'hidden', { configurable: true, get: () => window.away });"
_TURN = "away => { window.away = away; document.dispatchEvent(new Event('visibilitychange')) }"


def test_a_tab_opened_in_the_background_opens_its_stream_when_it_is_shown(page: Page, callboard: Callboard) -> None:
    id = callboard.api("POST", "/jobs", {"actor": "linger"})["id"]
    held: set[object] = set()
    page.on("request", lambda request: held.add(request) if "/events" in request.url else None)
    page.on("requestfailed", lambda request: held.discard(request))
    page.on("requestfinished", lambda request: held.discard(request))
    page.add_init_script(_HIDDEN)

    with page.expect_event("requestfailed", lambda request: "/events" in request.url):
        page.goto(f"/jobs/{id}")
    assert not held
    with page.expect_request(lambda request: "/events" in request.url):
        page.evaluate(_TURN, False)
    expect(page.get_by_text("looked")).to_be_visible()
    assert len(held) == 1

    with page.expect_event("requestfailed", lambda request: "/events" in request.url):
        page.evaluate(_TURN, True)
    assert not held
    callboard.api("POST", f"/jobs/{id}/cancel")
    page.evaluate(_TURN, False)
    expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
