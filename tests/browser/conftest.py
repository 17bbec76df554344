"""Fixtures of the browser tests.

callboard    a whole running Callboard per store (web, worker, RabbitMQ), shared by all tests that need one
chromium     a real Chromium; `page` is a fresh tab of the administrator's window, signed in at the callboard
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from src.up import packages
from tests.harness.callboard import Callboard, fresh_url
from tests.harness.services import BrokerNode
from tests.harness.stores import STORES
from tests.sql.web.conftest import app, own_site, site

__all__ = ["app", "own_site", "site"]

#: milliseconds that a page may take to show what is expected
PATIENCE_MS = 30_000
#: no window, no network but the page's own
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package", params=STORES)
def callboard(request: pytest.FixtureRequest, broker_node: BrokerNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callboard]:
    folder = tmp_path_factory.mktemp("callboard")
    url = fresh_url(request, request.param, folder)
    with Callboard(broker_node, url, folder, actors="tests.actors.web", management_url=broker_node.management_url) as running:
        running.serve()
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = packages.browser()
    if path is None:
        raise RuntimeError("The browser tests need Chromium. ./run test installs it, or: sudo apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def administrator(chromium: Browser, callboard: Callboard) -> Iterator[BrowserContext]:
    """A window that has followed the one-time link."""
    context = chromium.new_context(base_url=callboard.url)
    page = context.new_page()
    page.goto(callboard.one_time_link())
    page.close()
    yield context
    context.close()


@pytest.fixture(scope="package")
def signed_in(administrator: BrowserContext) -> StorageState:
    """Return the storage state of the administrator, for windows with settings of their own."""
    return administrator.storage_state()


@pytest.fixture
def page(administrator: BrowserContext) -> Iterator[Page]:
    page = administrator.new_page()
    page.set_default_timeout(PATIENCE_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None)
    yield page
    page.close()
    assert not problems, problems
