"""Mail, the mailbox and reports in the console and the API."""

from __future__ import annotations

import pytest

from src.actors.mail import post
from src.mail import deliveries, mailbox
from src.mail.letters import Attachment, InlineImage, Letter, compose
from src.mail.models import DeliveryState
from src.mail.smtp import Answer
from src.operations.people.roles import Role
from src.reports import archive
from src.reports.document import Chart, Document, Series, Words
from src.sql.clock import now
from src.sql.database import write
from src.web.render import emails
from tests.harness.site import Site, in_words

EVIL = (
    '<html><head><base href="http://evil.example.com/"><title>x</title></head><body onload="alert(1)"><script>alert(1)</script>'
    '<img src="cid:chart"><img src="http://evil.example.com/x.png"><form action="http://evil.example.com"><input name="a"></form></body></html>'
)
PNG = b"\x89PNG\r\n\x1a\n"


def letter(**values: object) -> Letter:
    asked: dict[str, object] = {
        "to": ["ada@example.com", "bob@example.com"], "subject": "<b>Hello</b>", "text": "Plain <i>words</i>.", "html": EVIL,
        "images": [InlineImage("chart", PNG)], "attachments": [Attachment("evil.html", "text/html", b"<script>alert(1)</script>")],
    }  # fmt: skip
    return Letter(**(asked | values))  # type: ignore[arg-type]


def written() -> str:
    with write() as session:
        id = post(session, letter())
        seq = deliveries.outgoing(session, id).seq
        deliveries.note(
            session,
            seq,
            {
                "ada@example.com": Answer(DeliveryState.SENT, "250 OK"),
                "bob@example.com": Answer(DeliveryState.REFUSED, "550 no <such> user"),
            },
        )
    return id


def test_the_list_and_the_page_tell_what_became_of_each_recipient(site: Site) -> None:
    browser = site.browser(Role.OPERATOR)
    assert "No emails yet" in browser.get("/mails").text
    id = written()

    listed = browser.get("/mails").text
    assert "&lt;b&gt;Hello&lt;/b&gt;" in listed
    assert "refused bob@example.com" in in_words(listed)
    assert id in browser.get("/mails?state=refused").text
    assert id not in browser.get("/mails?state=queued").text
    assert browser.get("/mails?state=lost").status_code == 400

    page = browser.get(f"/mails/{id}")
    assert "550 no <such> user" in in_words(page.text)
    assert "Plain <i>words</i>." in in_words(page.text)
    assert "<script>" not in page.text
    assert page.headers["Content-Security-Policy"].endswith("frame-src 'self'")
    assert browser.get("/mails/nobody-has-this").status_code == 404


def test_the_frame_may_do_nothing_and_holds_its_pictures(site: Site) -> None:
    id = written()
    framed = site.browser(Role.OPERATOR).get(f"/mails/{id}/html")

    policy = framed.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:;")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert framed.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert 'src="data:image/png;base64,' in framed.text
    assert framed.text.count("<base") == 1
    assert '<base target="_blank">' in framed.text
    page = site.browser(Role.OPERATOR).get(f"/mails/{id}").text
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page


def test_attachments_are_saved_never_shown(site: Site) -> None:
    id = written()
    browser = site.browser(Role.OPERATOR)
    part = browser.get(f"/mails/{id}/parts/0")
    assert part.data == b"<script>alert(1)</script>"
    assert part.headers["Content-Type"] == "application/octet-stream"
    assert part.headers["Content-Disposition"].startswith('attachment; filename="evil.html"')
    assert part.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert browser.get(f"/mails/{id}/parts/9").status_code == 404
    raw = browser.get(f"/mails/{id}/raw")
    assert raw.headers["Content-Disposition"].startswith("attachment")
    assert b"Message-ID: <" in raw.data


def test_a_letter_is_sent_again_to_one_or_to_all_it_has_not_reached(site: Site) -> None:
    id = written()
    browser = site.browser(Role.OPERATOR)
    target = f"/mails/{id}/resend"
    assert browser.client.post(target, data={"number": "1"}).status_code == 400, "without its token a form counts for nothing"
    hidden = _token(browser.get(f"/mails/{id}").text)
    answer = browser.client.post(target, data={"number": "2", "csrf_token": hidden}, follow_redirects=True)
    assert "Resending to bob@example.com." in in_words(answer.text)
    program = site.program(Role.OPERATOR)
    assert [each["state"] for each in program.get(f"/api/v1/mails/{id}").get_json()["deliveries"]] == ["sent", "queued"]

    assert program.post(f"/api/v1/mails/{id}/resend").get_json()["recipients"] == ["bob@example.com"]
    assert program.post(f"/api/v1/mails/{id}/resend", {"numbers": [1]}).get_json()["recipients"] == ["ada@example.com"]
    assert program.post(f"/api/v1/mails/{id}/resend", {"numbers": ["x"]}).status_code == 422
    assert program.post("/api/v1/mails/nobody/resend").status_code == 404
    jobs = program.get("/api/v1/jobs?actor=deliver_mail").get_json()["jobs"]
    assert len(jobs) == 4
    assert jobs[0]["submitted_by"]


def _token(page: str) -> str:
    return page.partition('name="form-csrf_token" value="')[2].partition('"')[0]


def test_mail_is_for_operators(site: Site) -> None:
    id = written()
    for role in (Role.VIEWER, Role.SUBMITTER):
        browser = site.browser(role)
        for path in ("/mails", f"/mails/{id}", f"/mails/{id}/html", f"/mails/{id}/raw", "/mailbox", "/api/v1/mails", "/api/v1/mailbox"):
            assert browser.get(path).status_code == 403, path
        assert 'href="/mails"' not in browser.get("/").text
    assert 'href="/mails"' in site.browser(Role.OPERATOR).get("/").text
    form = in_words(site.browser(Role.OPERATOR).get("/actors/send_mail").text)
    assert "Send an email" in form
    assert "Email addresses. One per line." in form


@pytest.mark.both_stores
def test_a_number_that_no_store_holds_is_an_unknown_email(site: Site) -> None:
    assert site.program().get(f"/api/v1/mailbox/{2**64}").status_code == 404
    for part in ("", "/raw", "/html"):
        assert site.browser().get(f"/mailbox/{2**64}{part}").status_code == 404


def test_the_mailbox_shows_what_came_and_is_emptied(site: Site) -> None:
    browser = site.browser(Role.OPERATOR)
    assert "The mailbox is empty" in browser.get("/mailbox").text
    raw = compose(letter(), id="x", sender="a@localhost", at=now()).raw
    with write() as session:
        seq = mailbox.receive(session, sender="a@localhost", recipients=["ada@example.com"], raw=raw)
        mailbox.receive(session, sender="", recipients=[], raw=b"\xff\x00 nothing")
    assert "<b>Hello</b>" in in_words(browser.get("/mailbox").text)
    assert "Plain <i>words</i>." in in_words(browser.get(f"/mailbox/{seq}").text)
    assert "data:image/png" in browser.get(f"/mailbox/{seq}/html").text
    assert browser.get(f"/mailbox/{seq + 1}").status_code == 200
    assert browser.get(f"/mailbox/{seq + 1}/html").status_code == 404
    received = site.program(Role.OPERATOR).get(f"/api/v1/mailbox/{seq}").get_json()
    assert (received["recipients"], received["subject"], received["attachments"][0]["filename"]) == (
        ["ada@example.com"],
        "<b>Hello</b>",
        "evil.html",
    )
    assert site.program(Role.OPERATOR).get("/api/v1/mailbox/99").status_code == 404

    assert browser.fill_in("/mailbox", action="/mailbox/empty").status_code == 303
    assert "The mailbox is empty" in browser.get("/mailbox").text


def test_a_report_is_a_page_a_csv_and_a_pdf_under_its_address(site: Site) -> None:
    made = Document(
        title="Orders <b>", summary="Orders: 3", period="today", made_at=now(),
        blocks=(Words(text="All <b>well</b>."), Chart(title="Per day", labels=("Mon", "Tue"), series=(Series(name="orders", values=(1, 2)),))),
    )  # fmt: skip
    with write() as session:
        archive.keep(session, "orders", "2026-03-18-aa", made, job_id=None, pdf=b"%PDF-1.7", pdf_note=None, mail_id=None)
        archive.keep(session, "orders", "2026-03-19-bb", made, job_id=None, pdf=None, pdf_note="PDFs need Pango", mail_id=None)
    browser = site.browser(Role.VIEWER)

    assert "Orders: 3" in browser.get("/reports").text
    assert "daily_operations" in browser.get("/reports").text, "also what has no issue yet"
    assert "none yet" in browser.get("/reports").text
    assert browser.get("/reports/orders").text.count("Orders: 3") == 2
    assert browser.get("/reports/orders/latest").location == "/reports/orders/2026-03-19-bb"
    page = browser.get("/reports/orders/2026-03-18-aa").text
    assert "All <b>well</b>." in in_words(page)
    assert "<svg" in page
    assert "Mon 1" in in_words(page)
    assert "PDFs need Pango" in browser.get("/reports/orders/2026-03-19-bb").text
    saved = {form: browser.get(f"/reports/orders/2026-03-18-aa.{form}") for form in ("csv", "pdf", "txt")}
    assert saved["pdf"].data == b"%PDF-1.7"
    assert saved["csv"].data.decode("utf-8-sig").splitlines()[-1] == "Tue,2.0"
    assert saved["pdf"].headers["Content-Disposition"].startswith('attachment; filename="orders-2026-03-18-aa.pdf"')
    for missing in (
        "/reports/orders/2026-03-19-bb.pdf",
        "/reports/orders/none",
        "/reports/none",
        "/reports/none/latest",
        "/reports/users_report/latest",
    ):
        assert browser.get(missing).status_code == 404, missing
    program = site.program(Role.VIEWER)
    listed = {each["name"]: each for each in program.get("/api/v1/reports").get_json()["reports"]}
    assert listed["orders"]["issues"] == 2
    assert listed["users_report"]["newest"] is None
    assert len(program.get("/api/v1/reports/orders").get_json()["issues"]) == 2
    assert program.get("/api/v1/reports/orders/2026-03-18-aa").get_json()["document"]["summary"] == "Orders: 3"
    assert program.get("/api/v1/reports/none").status_code == 404


@pytest.mark.parametrize(
    "html",
    [
        "<p>No head</p>",
        "<!-- <head> --><!doctype html>\n<html lang=de><head><title>A head</title></head><body>Words</body></html>",
        "<HTML><!--[if mso]><x><![endif]--><HEAD lang='a>b'></HEAD>Words",
    ],
)
def test_the_keyboard_is_seen_in_a_letter_however_it_begins(html: str) -> None:
    before, after = emails.frame(b"Content-Type: text/html\n\n" + html.encode()).get_data(as_text=True).split(emails.FRAME_HEAD)
    assert (before + after).rstrip("\n") == html
    assert "<title>" not in before
    assert after.lower().startswith(("<p>", "<title>", "</head>"))
