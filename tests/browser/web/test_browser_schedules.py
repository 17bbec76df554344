"""D6 in a real Chromium: create and edit a schedule in the browser, with a live preview."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.harness.callboard import Callboard
from tests.harness.services import random_name


def test_D6_a_schedule_is_created_and_edited_in_the_browser_with_a_live_preview(page: Page, callboard: Callboard) -> None:
    name = random_name("weekly")
    page.goto("/schedules/new")
    page.get_by_label("Actor").select_option("add")
    page.get_by_role("button", name="Continue").click()

    preview = page.locator("#preview")
    page.get_by_label("Cron").fill("30 7 * * mon")
    page.get_by_label("Time zone (optional)").fill("Europe/Berlin")
    expect(preview).to_contain_text("At 07:30 on Monday (Europe/Berlin)")
    expect(preview.locator("ol.ticks li")).to_have_count(10)
    expect(preview.locator("ol.ticks li").first).to_contain_text(re.compile(r"^Mon .* 07:30$"))
    page.get_by_label("Cron").fill("30 77 * * mon")
    expect(preview).to_contain_text("77 does not lie between 0 and 23")
    page.get_by_label("Cron").fill("30 2 * * *")
    expect(preview).to_contain_text("runs once, not twice")
    page.get_by_label("Cron").fill("30 7 * * mon")

    page.get_by_label("Name").fill(name)
    page.get_by_label("X", exact=True).fill("16")
    page.get_by_label("Y", exact=True).fill("16")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Schedule created.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("active")

    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("X", exact=True)).to_have_value("16")
    page.get_by_label("Cron").fill("")
    page.get_by_label("Interval").fill("30s")
    expect(preview).to_contain_text("Every 30 seconds")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("p.words")).to_have_text("Every 30 seconds")
    page.get_by_role("button", name=re.compile("^Run now")).click()
    expect(page.get_by_label("Result")).to_have_text("32")
    page.goto("/schedules")
    expect(page.get_by_role("row", name=re.compile(name))).to_contain_text("Every 30 seconds")
    assert page.locator("table.load tbody tr").count() in (7, 8)  # seven days touch eight, but in the first hour of one


def test_the_form_works_without_javascript(page: Page, callboard: Callboard) -> None:
    assert page.context.browser is not None
    context = page.context.browser.new_context(
        base_url=callboard.url, storage_state=page.context.storage_state(), java_script_enabled=False
    )
    plain = context.new_page()
    name = random_name("plain")
    plain.goto("/schedules/new?actor=add")
    plain.get_by_label("Name").fill(name)
    plain.get_by_label("X", exact=True).fill("1")
    plain.get_by_label("Y", exact=True).fill("2")
    plain.get_by_label("Cron").fill("15 4 * * sun")
    plain.get_by_role("button", name="Preview").click()
    expect(plain.locator("#preview")).to_contain_text("At 04:15 on Sunday")
    expect(plain.get_by_label("X", exact=True)).to_have_value("1")
    plain.get_by_role("button", name="Save").click()
    expect(plain.get_by_text("Schedule created.")).to_be_visible()
    context.close()
