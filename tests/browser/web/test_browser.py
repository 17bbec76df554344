"""A user's path through the console, in a real Chromium, against a whole running Callboard on either store."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, FilePayload, Page, Route, StorageState, expect

from tests.harness.callboard import Callboard
from tests.harness.waiting import eventually


def test_B1_a_number_out_of_range_shows_the_error_at_the_field_and_submits_nothing(page: Page, callboard: Callboard) -> None:
    before = len(callboard.jobs_of("create_random_user_accounts"))
    page.goto("/users/new")
    for total in ("49", "501", "", "many"):
        page.get_by_label("How many").evaluate("(input, value) => { input.type = 'text'; input.value = value }", total)
        page.get_by_role("button", name="Generate random users").click()

        field = page.get_by_label("How many")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#field-total-error")).to_have_text(re.compile("Enter a|Required"))
        expect(page.get_by_role("alert")).to_be_focused()
        expect(page).to_have_title(re.compile("^Error: "))
    page.get_by_role("alert").get_by_role("link").click()
    expect(page.get_by_label("How many")).to_be_focused()
    assert len(callboard.jobs_of("create_random_user_accounts")) == before


def test_B3_after_submitting_one_sees_the_notice_the_progress_and_then_the_users(page: Page) -> None:
    page.goto("/users/new")
    page.get_by_label("How many").fill("100")
    page.get_by_role("button", name="Generate random users").click()

    page.wait_for_url("**/users?job=*")
    expect(page.get_by_text("We are generating your random users!")).to_be_visible()
    panel = page.get_by_label("Progress of the job")
    expect(panel.get_by_role("progressbar")).to_be_visible()
    expect(panel).to_contain_text("100 random users created with success!")
    # The list has updated without a reload.
    expect(page.locator("#users tbody tr")).to_have_count(100)
    first = page.locator("#users tbody tr").first
    expect(first).to_contain_text(re.compile(r"[A-Za-z]{10}"))
    expect(first).to_contain_text("@example.com")
    expect(first.locator("time")).to_be_visible()


def test_A1_visiting_a_page_starts_a_job_whose_lines_can_be_watched(page: Page) -> None:
    page.goto("/count")
    shown = page.get_by_text(re.compile(r"counted to \d+"))
    expect(shown).to_be_visible()
    expect(shown).not_to_have_text(shown.inner_text())  # the next number is unknown: one may appear for less than a poll
    page.get_by_role("link", name="count", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("running")
    expect(page.get_by_role("heading", level=1)).to_contain_text("succeeded")
    expect(page.get_by_label("Result")).to_have_text("Completed")
    expect(page).to_have_title(re.compile("^succeeded · count"))


def test_C2_state_result_and_exception_can_be_read_later_by_the_id_and_an_unknown_id_is_unknown(page: Page, callboard: Callboard) -> None:
    right, wrong = callboard.run("divide", 1, 2), callboard.run("divide", 1, 0)
    assert (right["state"], right["result"], right["error"]) == ("succeeded", 0.5, None)
    assert (wrong["state"], wrong["result"]) == ("dead", None)
    assert wrong["attempts"][0]["traceback"].rstrip().endswith("ZeroDivisionError: float division by zero")

    page.goto(f"/jobs/{right['id']}")
    expect(page.get_by_label("Result")).to_have_text("0.5")
    page.goto(f"/jobs/{wrong['id']}")
    expect(page.get_by_label("Traceback of attempt 1")).to_contain_text("ZeroDivisionError: float division by zero")

    unknown = "00000000-0000-7000-8000-000000000000"
    assert callboard.api("GET", f"/jobs/{unknown}")["status"] == 404
    answer = page.goto(f"/jobs/{unknown}")
    assert answer is not None
    assert answer.status == 404


def test_the_page_of_an_ended_job_has_no_gap_where_its_forecast_was(page: Page, callboard: Callboard) -> None:
    """A part without content still counted as one of the column, with a space on either side."""
    page.goto(f"/jobs/{callboard.run('divide', 1, 2)['id']}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("succeeded")

    gaps = page.evaluate(
        """() => {
          const boxes = [...document.querySelectorAll('main > *')].map(each => each.getBoundingClientRect()).filter(each => each.height);
          return boxes.slice(1).map((each, number) => Math.round(each.top - boxes[number].bottom));
        }"""
    )
    assert max(gaps) == 16


def test_a_double_click_makes_one_job(page: Page, callboard: Callboard) -> None:
    before = len(callboard.jobs_of("add"))
    page.goto("/actors/add")
    page.get_by_label("X", exact=True).fill("1")
    page.get_by_label("Y", exact=True).fill("2")
    page.get_by_role("button", name="Submit job").dblclick()

    page.wait_for_url("**/jobs/*")
    expect(page.get_by_label("Result")).to_have_text("3")
    assert len(callboard.jobs_of("add")) == before + 1


def test_a_running_job_is_cancelled_from_its_page(page: Page) -> None:
    page.goto("/actors/linger")
    page.get_by_role("button", name="Submit job").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("running")
    page.get_by_role("button", name="Cancel").click()
    expect(heading).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_an_actor_is_paused_from_its_page_and_a_workflow_is_watched_until_it_goes_on_and_ends(page: Page, callboard: Callboard) -> None:
    page.goto("/actors/mul?tab=settings")
    page.get_by_label("Reason").fill("a deploy")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text(re.compile(r"Actor mul is paused by \w+: a deploy")).first).to_be_visible()
    steps = [{"actor": "add", "args": [1, 2]}, {"actor": "mul", "args": [10]}]
    workflow = callboard.api("POST", "/workflows", {"name": "watched", "chain": steps})

    page.goto(f"/workflows/{workflow['id']}")
    heading, boxes = page.get_by_role("heading", level=1), page.locator("svg.graph .box")
    expect(page.locator("#workflow table")).to_contain_text("actor mul is paused: a deploy")
    expect(boxes).to_have_count(2)
    expect(page.locator("svg.graph .box.succeeded")).to_have_count(1)
    assert callboard.api("DELETE", "/pauses/actor:mul")["waited"] == 1
    expect(heading).to_contain_text("succeeded")
    expect(page.locator("svg.graph .box.succeeded")).to_have_count(2)
    expect(page.locator("#workflow table")).to_contain_text("30")


def test_everything_works_without_javascript(chromium: Browser, callboard: Callboard, signed_in: StorageState) -> None:
    context = chromium.new_context(base_url=callboard.url, storage_state=signed_in, java_script_enabled=False)
    page = context.new_page()
    page.goto("/count")
    page.get_by_role("button", name="Start counting").click()
    page.wait_for_url("**/jobs/*")
    page.goto("/actors/linger")
    page.get_by_role("button", name="Submit job").click()
    page.wait_for_url("**/jobs/*")
    # It loads itself again every few seconds (test_pages.py); Chromium driven like this keeps <noscript> asleep, so do it by hand.
    _reload_until(page, "looked ")
    with page.expect_navigation():  # a page that is just giving way to the answer cannot be loaded again
        page.get_by_role("button", name="Cancel").click()
    _reload_until(page, "cancelled")
    context.close()


def test_the_stream_opens_also_when_its_script_comes_late(page: Page, callboard: Callboard) -> None:
    held: list[Route] = []
    page.goto("/actors/linger")
    page.route("**/hx-sse.min.js*", lambda route: held.append(route))
    with page.expect_request("**/hx-sse.min.js*"):
        page.get_by_role("button", name="Submit job").click(no_wait_after=True)
    page.wait_for_function("() => window.htmx !== undefined")
    page.evaluate("() => new Promise(done => setTimeout(done))")  # htmx has run its deferred work by now
    [late] = held
    late.continue_()
    expect(page.get_by_role("heading", level=1)).to_contain_text("running")
    callboard.api("POST", f"/jobs/{page.url.rsplit('/', 1)[1]}/cancel")
    expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")


def test_a_page_that_gets_no_stream_polls(page: Page, callboard: Callboard) -> None:
    page.route("**/jobs/*/events**", lambda route: route.fulfill(status=503, content_type="text/html", body=_poll_of(route.request.url)))
    page.goto("/actors/linger")
    page.get_by_role("button", name="Submit job").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("running")
    callboard.api("POST", f"/jobs/{page.url.rsplit('/', 1)[1]}/cancel")
    expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")


def test_output_of_a_running_job_is_on_its_page_within_a_second(page: Page, callboard: Callboard) -> None:
    page.goto("/actors/mutter")
    page.get_by_role("button", name="Submit job").click()
    page.wait_for_url("**/jobs/*")
    # Each line names the instant at which it was printed; the page's own clock says when it saw it.
    page.evaluate("""() => {
        window.seen = {};
        const look = () => document.querySelectorAll('#log .said').forEach(said => seen[said.textContent] ??= Date.now() / 1000);
        new MutationObserver(look).observe(document.body, {subtree: true, childList: true});
        look();
    }""")
    expect(page.locator("#log .said")).to_have_count(4)
    expect(page.get_by_role("heading", level=1)).to_contain_text("succeeded")
    expect(page.locator("#log .said")).to_have_count(4)  # none twice
    seen = page.evaluate("window.seen")
    late = [
        at - float(text.removeprefix("said at ")) for text, at in list(seen.items())[1:]
    ]  # the first may have been there before the page
    print("seconds from the line to the page:", late)
    assert len(late) == 3
    assert max(late) < 5  # a second where the machine has nothing else to do


def test_a_file_chosen_in_the_browser_reaches_the_actor_and_comes_back_as_it_went(page: Page) -> None:
    content = bytes(range(256)) * 100
    page.goto("/actors/archive")
    page.get_by_label("Photo").set_input_files({"name": "a <b>.txt", "mimeType": "text/plain", "buffer": content})
    page.get_by_label("Papers").set_input_files(
        [FilePayload(name=f"{n}.pdf", mimeType="application/pdf", buffer=b"%PDF") for n in range(2)]
    )
    page.get_by_role("button", name="Submit job").click()

    expect(page.get_by_label("Result")).to_have_text("a <b>.txt: 25600 bytes, 2 papers, 0 pages")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download a <b>.txt").click()
    assert started.value.path().read_bytes() == content


def _reload_until(page: Page, text: str) -> None:
    eventually(lambda: page.reload() and page.get_by_text(text).first.is_visible(), deadline_s=30, interval_s=0.3, what=text)


def _poll_of(stream: str) -> str:
    """The server's answer at its limit of streams (see test_live.py), only more often."""
    return f'<div hx-get="{stream.replace("/events", "/live")}" hx-trigger="every 0.5s" hx-swap="none"></div>'
