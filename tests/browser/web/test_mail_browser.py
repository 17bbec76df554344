"""Reports and mail as users see them, in a real Chromium."""

from __future__ import annotations

import re
import smtplib
from email.message import EmailMessage
from typing import Any

from playwright.sync_api import Browser, Page, Route, StorageState, expect

from tests.harness.callboard import Callboard
from tests.harness.waiting import eventually


def newest(callboard: Callboard, subject: str) -> dict[str, Any]:
    """Return the newest email in the mailbox with this in its subject."""

    def found() -> dict[str, Any] | None:
        return next((mail for mail in callboard.api("GET", "/mailbox")["mails"] if subject in mail["subject"]), None)

    mail = eventually(found, deadline_s=60, interval_s=0.2, what=f"a letter “{subject}” is in the mailbox")
    assert mail is not None
    return mail


def test_D8_the_daily_report_is_a_page_and_a_letter_with_its_charts(page: Page, callboard: Callboard) -> None:
    callboard.run("divide", 1, 0)
    callboard.run("add", 1, 2)
    page.goto("/reports")
    page.get_by_role("row", name=re.compile("daily_operations")).get_by_role("link", name=re.compile("Create")).click()
    page.get_by_role("button", name="Submit job").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("succeeded")

    page.goto("/reports/daily_operations/latest")
    expect(page.get_by_role("heading", level=1)).to_have_text("Daily operations")
    expect(page.get_by_role("img", name=re.compile("Jobs that ended, per hour: total succeeded"))).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("ZeroDivisionError"))).to_be_visible()
    page.get_by_text("Show data").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF").click()
    assert download.value.suggested_filename.startswith("daily_operations-")

    mail = newest(callboard, "Daily operations: ")
    page.goto(f"/mailbox/{mail['number']}")
    letter = page.frame_locator("iframe.letter")
    expect(letter.get_by_role("heading", name="Daily operations")).to_be_visible()
    for picture in letter.locator("img.chart").all():
        assert picture.evaluate("image => image.complete && image.naturalWidth") == 1360
    expect(page.get_by_role("link", name=re.compile(r"\.csv$"))).to_be_visible()
    expect(page.get_by_role("link", name=re.compile(r"\.pdf$"))).to_be_visible()


def test_a_hostile_letter_does_nothing(chromium: Browser, callboard: Callboard, signed_in: StorageState) -> None:
    context = chromium.new_context(base_url=callboard.url, storage_state=signed_in)
    page = context.new_page()
    reached: list[str] = []

    def serve(route: Route) -> None:
        reached.append(route.request.url)
        route.fulfill(body="evil")

    context.route("http://evil.example.com/**", serve)
    page.on("dialog", lambda dialog: reached.append(f"dialog {dialog.message}"))
    evil = (
        "<h1>Hostile</h1><script>alert(1)</script><img src=x onerror=alert(2)><img src='http://evil.example.com/x.png'>"
        "<link rel=stylesheet href='http://evil.example.com/x.css'><iframe src='http://evil.example.com/'></iframe>"
        "<meta http-equiv=refresh content='0;url=http://evil.example.com/'><body onload=alert(3) background='http://evil.example.com/b.png'>"
    )
    message = EmailMessage()
    message["Subject"] = "Hostile"
    message.set_content(evil, subtype="html")
    with smtplib.SMTP("127.0.0.1", callboard.mailbox_port) as connection:
        connection.login("callboard", "only-for-tests")
        connection.send_message(message, "mallory@example.com", ["ada@example.com"])
    mail = newest(callboard, "Hostile")
    page.goto(f"/mailbox/{mail['number']}")
    expect(page.frame_locator("iframe.letter").get_by_role("heading", name="Hostile")).to_be_visible()
    page.goto("/mailbox")
    assert reached == []
    page.goto("http://evil.example.com/")
    assert reached, "it would have been noticed"
    context.close()
