"""Ten tasks of an operator with the keyboard alone: search, palette, lists and forms. Each prints its number of steps: a key, or a typed text."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import insert, select, update
from werkzeug.serving import make_server

from src.jobs import State
from src.jobs.core.envelopes import leave_to_relay, publisher
from src.jobs.core.models import Attempt, Job, Worker
from src.jobs.core.states import Outcome
from src.sql.clock import now
from src.sql.database import read, write
from src.web import create_app
from tests.harness.sample import furnish
from tests.harness.site import Site
from tests.harness.stores import OpenStore, using

pytestmark = pytest.mark.long
#: steps that a task may take
MOST_STEPS = 14


class Walk:
    """A user at a keyboard, whose steps are counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.steps = 0

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)
            self.steps += 1

    def type(self, text: str) -> None:
        """Type a text over what the focused field holds."""
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)
        self.steps += 1

    def search(self, text: str) -> None:
        """Search from any page."""
        self.press("/")
        self.type(text)
        self.press("Enter")
        self.page.wait_for_url(re.compile("/jobs"))

    def command(self, text: str) -> None:
        """Choose the first command of the palette for this text."""
        self.press("Control+k")
        self.page.keyboard.type(text)
        self.steps += 1
        expect(self.page.locator("#palette-list [role=option]").first).to_contain_text(re.compile(re.escape(text), re.IGNORECASE))
        self.press("Enter")


@pytest.fixture(scope="module")
def desk(open_store: OpenStore, chromium: Browser) -> Iterator[tuple[Page, Site, dict[str, str]]]:
    """A tab of an administrator on a furnished console, without workers."""
    with pytest.MonkeyPatch.context() as patch, open_store("sqlite", "keyboard") as database, using(database, patch):
        publisher.connect(leave_to_relay)
        site = Site(database, create_app())
        server = make_server("127.0.0.1", 0, site.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url, ids = f"http://127.0.0.1:{server.port}", furnish(site)
        context = chromium.new_context(base_url=url)
        cookies = site.browser().client._cookies or {}
        context.add_cookies([{"name": each.key, "value": each.value, "url": url} for each in cookies.values()])
        yield context.new_page(), site, ids
        context.close()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def walk(desk: tuple[Page, Site, dict[str, str]], request: pytest.FixtureRequest) -> Iterator[Walk]:
    walk = Walk(desk[0])
    walk.page.goto("/")
    yield walk
    print(f"{walk.steps} steps: {request.node.name.removeprefix('test_')}")
    assert walk.steps <= MOST_STEPS


def _set(id: str, **values: Any) -> None:
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))


def test_find_yesterdays_failures_of_an_actor_and_retry_those_of_one_customer(walk: Walk, desk: tuple[Page, Site, dict[str, str]]) -> None:
    for customer in (707, 707, 808):
        id = desk[1].program().submit("add", customer, 0)
        _set(id, state=State.DEAD, attempt=1, error="ZeroDivisionError: division by zero", finished_at=now() - timedelta(days=1))
    walk.search("actor:add state:dead finished:yesterday arg.x:707")
    expect(walk.page.locator("table.jobs tbody tr")).to_have_count(2)
    walk.command("All 2 matching")
    expect(walk.page.get_by_role("heading", level=1)).to_have_text("Retry 2 jobs?")
    walk.command("Retry 2 jobs")
    expect(walk.page.get_by_text("Started: retry")).to_be_visible()


def test_why_does_a_job_wait(walk: Walk, desk: tuple[Page, Site, dict[str, str]]) -> None:
    id = desk[1].program().submit("linger", 1)
    walk.search(id)
    expect(walk.page.locator("#because")).to_contain_text("No worker is alive")


def test_which_deploy_made_it_slower(walk: Walk, desk: tuple[Page, Site, dict[str, str]]) -> None:
    program = desk[1].program()
    before, after = program.submit("add", 5, 6), program.submit("add", 5, 6)
    for id, version, seconds in ((before, "4.1", 2), (after, "4.2", 20)):
        at = now() - timedelta(minutes=5)
        _set(id, state=State.SUCCEEDED, attempt=1, result=11, started_at=at, finished_at=at + timedelta(seconds=seconds))
        row = {"started_at": at, "heartbeat_at": at, "expires_at": at, "queues": ["default"], "actors": ["add"]}
        with write() as session:
            session.execute(
                insert(Worker).values(name=f"web1:{version}", host="web1", pid=1, version=version, threads=8, frontier=0, **row)
            )
            seq = session.execute(select(Job.seq).where(Job.id == id)).scalar_one()
            end = {"finished_at": at + timedelta(seconds=seconds), "outcome": Outcome.SUCCEEDED}
            session.execute(insert(Attempt).values(job_seq=seq, number=1, worker=f"web1:{version}", started_at=at, **end))
    walk.search(after)
    walk.command("Compare")
    table = walk.page.locator("main")
    for text in ("4.1", "4.2", "2 s", "20 s"):
        expect(table).to_contain_text(text)


def test_pause_a_queue_for_ten_minutes(walk: Walk) -> None:
    walk.press("g", "q")
    expect(walk.page.get_by_role("heading", level=1)).to_have_text("Queues")
    walk.command("default")
    expect(walk.page.get_by_role("heading", level=1)).to_have_text("Queue default")
    walk.command("Duration")
    walk.type("10m")
    walk.press("Enter")
    expect(walk.page.locator(".paused").first).to_contain_text("until")


def test_change_a_schedule(walk: Walk, desk: tuple[Page, Site, dict[str, str]]) -> None:
    made = desk[1].program().post("/api/v1/schedules", {"name": "nightly sums", "actor": "add", "args": [1, 2], "cron": "0 3 * * *"})
    walk.command("nightly")
    expect(walk.page.get_by_role("heading", level=1)).to_contain_text("nightly sums")
    walk.command("Edit")
    walk.page.wait_for_url("**/edit")
    walk.command("Cron")
    walk.type("30 4 * * *")
    walk.press("Enter")
    expect(walk.page.get_by_text("30 4 * * *").first).to_be_visible()
    assert desk[1].program().get(f"/api/v1/schedules/{made.get_json()['id']}").get_json()["cron"] == "30 4 * * *"


def test_run_again_with_one_argument_changed(walk: Walk, desk: tuple[Page, Site, dict[str, str]]) -> None:
    walk.search(desk[2]["succeeded"])
    walk.command("Re-run with edits")
    walk.page.wait_for_url("**/re-run")
    walk.command("field y")
    walk.type("40")
    walk.press("Enter")
    expect(walk.page.get_by_text("Job re-run as this new job.")).to_be_visible()
    with read() as session:
        assert session.execute(select(Job.kwargs, Job.args).where(Job.id == walk.page.url.rsplit("/", 1)[1])).one()[1][1:] in ([40], [])


def test_see_the_log_of_attempt_2(walk: Walk, desk: tuple[Page, Site, dict[str, str]]) -> None:
    walk.search(desk[2]["job"])
    walk.command("Log of attempt 2")
    expect(walk.page.locator("body")).to_contain_text("about to divide")
    assert walk.page.url.endswith("/attempts/2/log")


def test_who_cancelled_a_job(walk: Walk, desk: tuple[Page, Site, dict[str, str]]) -> None:
    program = desk[1].program()
    id = program.submit("add", 1, 2, delay="2h")
    assert program.post(f"/api/v1/jobs/{id}/cancel").status_code == 200
    walk.search(id)
    expect(walk.page.locator(".audit")).to_contain_text(re.compile(r"job\.cancel by token"))


def test_is_a_worker_leaking(walk: Walk) -> None:
    moment = {"started_at": now() - timedelta(hours=2), "heartbeat_at": now(), "expires_at": now() + timedelta(minutes=5)}
    with write() as session:
        session.execute(
            insert(Worker).values(
                name="web1:7", host="web1", pid=7, version="1", threads=8, frontier=0, queues=["default"], actors=["add"], jobs_done=812,
                memory_bytes=630_000_000, recycled="memory of 702 MB, limit 700 MB", **moment,
            )
        )  # fmt: skip
    walk.press("g", "w")
    page = walk.page.locator("#workers")
    expect(page).to_contain_text("630.0 MB")
    expect(page).to_contain_text("recycled: memory of 702 MB")


def test_download_the_failed_rows(walk: Walk, desk: tuple[Page, Site, dict[str, str]]) -> None:
    walk.page.goto(f"/batches/{desk[2]['draft']}")
    with walk.page.expect_download() as download:
        walk.command("Download with errors")
    assert "four" in download.value.path().read_text()


def test_updates_are_paused_and_resumed_and_the_browser_remembers_it(walk: Walk, desk: tuple[Page, Site, dict[str, str]]) -> None:
    page = walk.page
    page.goto("/jobs?q=actor:add+arg.x:4321")
    desk[1].program().submit("add", 4321, 1)
    page.goto("/jobs?q=actor:add+arg.x:4321")
    walk.press("r")
    page.reload()
    expect(page.get_by_role("button", name="Paused: resume updates")).to_be_visible()
    assert page.evaluate("document.hidden")
    desk[1].program().submit("add", 4321, 2)
    with page.expect_request(lambda request: "/jobs/newer" in request.url):
        walk.press("r")
    expect(page.get_by_role("link", name="1 new · show")).to_be_visible()
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)


def test_rows_are_walked_selected_and_opened_and_the_keys_are_listed(walk: Walk) -> None:
    page = walk.page
    page.goto("/jobs?q=state:dead")
    walk.press("j", "x")
    expect(page.get_by_role("button", name="Selected (1)")).to_be_in_viewport()
    walk.press("x")
    expect(page.get_by_role("button", name="Selected", exact=True)).to_be_visible()
    first = page.locator("table.jobs th a").first
    expect(first).to_be_focused()
    walk.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    walk.press("Escape", "Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("dead")


def test_the_palette_is_a_combobox_of_what_this_page_can_do_and_of_what_the_server_knows(walk: Walk) -> None:
    page = walk.page
    page.goto("/queues/default")
    walk.press("Control+k")
    box = page.get_by_role("combobox", name="Command")
    expect(box).to_be_focused()
    page.keyboard.type("mul")
    expect(page.get_by_role("option", name="actor mul")).to_be_visible()
    chosen = page.get_by_role("option", selected=True)
    before = chosen.text_content()
    walk.press("ArrowDown")
    expect(chosen).not_to_have_text(before or "")
    assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    walk.press("Escape")
    expect(box).to_be_hidden()
