"""Injection: text written by users, programs and actors is only text on every page and in every email."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select, update

from src.actors.mail import post
from src.jobs import State
from src.jobs.attempts import attempt_logs
from src.jobs.attempts.log_lines import Line
from src.jobs.core.models import Attempt, Job
from src.jobs.read import queries
from src.mail import deliveries
from src.mail.letters import Letter
from src.mail.models import Mail
from src.operations.people.models import BrowserSession
from src.operations.people.roles import Role
from src.reports import archive
from src.reports.document import Document, Words
from src.sql.clock import now
from src.sql.columns import to_microseconds
from src.sql.database import read, write
from src.web.render import emails
from tests.harness.injections import STRINGS, active
from tests.harness.site import Program, Site, Visit


def test_the_finder_finds_each_of_them() -> None:
    """Or the tests below could not fail: in the place it is made for each would do something."""
    harmless = [
        text for text in STRINGS if not active(f"<p>{text}</p>") and not active(f'<a title="{text}">') and not active(f"<a title='{text}'>")
        and not active(f"<a href='{text}'>") and not active(text.replace("<script>", "").replace("</script>", ""))
    ]  # fmt: skip
    assert harmless == []
    assert active('<script src="/static/x.js" defer></script><p title="&lt;script&gt;">&lt;script&gt;</p>') == []


def _job(program: Program, text: str) -> str:
    """A dead job in which every text of a user, a program or an actor is this one."""
    context = {text[:100]: text, "text": text}
    job: dict[str, Any] = {"actor": "send_mail", "kwargs": {"to": ["a@example.org"], "subject": text, "context": context}, "delay": "1d"}
    job |= {"unique_key": text, "fair_key": text} | ({"idempotency_key": text} if text.isprintable() else {})
    answer = program.post("/api/v1/jobs", job)
    assert answer.status_code == 202, (text, answer.text)
    id = str(answer.get_json()["id"])
    present = now()
    with write() as session:
        found = queries.find(session, id)
        assert found is not None
        session.execute(
            update(Job).where(Job.id == id).values(
                state=State.DEAD, error=f"ValueError: {text}", reason=text, finished_at=present, progress_done=1, progress_total=2, progress_message=text,
                attempt=1,
            )
        )  # fmt: skip
        session.add(
            Attempt(
                job_seq=found.seq, number=1, worker=text[:100], started_at=present, finished_at=present, outcome="failed", error=f"ValueError: {text}",
                traceback=f'Traceback\n  File "{text}"\n{text}',
            )
        )  # fmt: skip
        attempt_logs.write(session, attempt_logs.rows(found.seq, 1, [Line(1, to_microseconds(present), "stdout", text)]))
    return id


@dataclass
class Writers:
    """A program, a browser and a stranger's browser, with the hidden inputs of the forms they send."""

    program: Program
    visit: Visit
    hidden: dict[str, str]
    stranger: Visit
    strangers: dict[str, str]

    @classmethod
    def of(cls, site: Site) -> Writers:
        visit, stranger = site.browser(Role.OPERATOR), site.stranger()
        return cls(site.program(Role.OPERATOR), visit, visit.hidden("/actors/send_mail"), stranger, stranger.hidden("/sign-in"))


def _everything(writers: Writers, text: str, number: int) -> Iterator[str]:
    """Write the text into every field there is; the addresses of the pages that are about it alone."""
    program = writers.program
    yield f"/jobs/{_job(program, text)}"
    program.post("/api/v1/jobs", {"actor": "add", "args": [text, text], text: text})  # refused, and said why
    steps = [{"name": "one", "actor": "add", "args": [1, 2], "delay": "1d"}]
    workflow = program.post("/api/v1/workflows", {"name": text, "steps": steps})
    assert workflow.status_code == 202, (text, workflow.text)
    yield f"/workflows/{workflow.get_json()['id']}"
    schedule = program.post(
        "/api/v1/schedules", {"name": text, "actor": "send_mail", "cron": "0 3 * * *", "kwargs": {"to": [text], "subject": text}}
    )
    if schedule.status_code == 422:  # an address that is none, or a name that cannot be
        schedule = program.post("/api/v1/schedules", {"name": text.strip(), "actor": "add", "args": [1, 2], "cron": "0 3 * * *"})
    if schedule.status_code == 201:
        yield f"/schedules/{schedule.get_json()['id']}"
        yield f"/schedules/{schedule.get_json()['id']}/edit"
    program.post("/api/v1/pauses", {"target": ("all", "queue:default", "actor:add")[number % 3], "reason": text})
    writers.visit.client.post("/jobs/views", data={**writers.hidden, "name": text, "q": text, "query": text})
    writers.stranger.client.post("/sign-in", data={**writers.strangers, "name": text, "password": text, "next": text})
    with write() as session:
        session.execute(update(BrowserSession).values(browser=text[:255], address=text[:64]))
        mail = post(session, Letter(to=["a@example.org"], subject=" ".join(text.split()) or "x", template="letter", context={"text": text}))
        archive.keep(session, "daily_operations", f"report-{number}", _report(text), job_id=None, pdf=None, pdf_note=text, mail_id=mail)
    yield f"/mails/{mail}"
    yield f"/reports/daily_operations/report-{number}"


def _report(text: str) -> Document:
    return Document(title=text, summary=text, period=text, made_at=now(), blocks=(Words(title=text, text=text),))


def _pages(site: Site) -> list[str]:
    return [
        rule.rule for rule in site.app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.arguments and not rule.endpoint.startswith(("api.", "static", "openapi", "metrics", "health."))
    ]  # fmt: skip


def _look(visit: Visit, path: str) -> str:
    answer = visit.get(path)
    if answer.mimetype != "text/html":
        return ""
    assert "unsafe" not in answer.headers["Content-Security-Policy"] or path.endswith("/html"), path
    assert active(answer.text) == [], path
    return answer.text


@pytest.fixture
def strings(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """All of them with --slow; else ten, with an element, a handler, a bare address, a closed attribute and a closed comment among them."""
    return STRINGS if request.config.getoption("--slow") else STRINGS[2::6]


@pytest.mark.long
def test_strings_in_every_field_are_words_on_every_page(site: Site, strings: tuple[str, ...]) -> None:
    admin, writers = site.browser(Role.ADMIN), Writers.of(site)
    shown = 0
    for number, text in enumerate(strings):
        own = list(_everything(writers, text, number))
        for path in own:
            page = _look(admin, path)
            shown += text in html.unescape(page)
        _look(admin, f"{own[0]}/edit")
    assert shown > 2 * len(strings)  # they are present, as text
    for path in _pages(site):
        _look(admin, path)


@pytest.mark.parametrize(
    "place",
    [
        "/jobs?q={}",
        "/jobs?actor={}",
        "/admin/audit?who={}&since={}",
        "/sign-in?next={}",
        "/actors/{}",
        "/{}",
        "/mails?state={}",
        "/schedules/new?actor={}",
    ],
)
def test_what_an_address_says_is_words(site: Site, place: str, strings: tuple[str, ...]) -> None:
    admin = site.browser(Role.ADMIN)
    for text in strings:
        _look(site.stranger() if place.startswith("/sign-in") else admin, place.replace("{}", quote(text, safe="")))


def test_a_refused_form_comes_back_with_messages(site: Site) -> None:
    admin = site.browser(Role.ADMIN)
    fields: dict[str, Any] = {
        "/actors/send_mail": ("to", "subject", "template", "context", "attachments"),
        "/admin/users": ("name", "role", "actors"),
        "/admin/tokens": ("name", "role", "actors", "expires"),
        "/schedules/new?actor=add": ("schedule-name", "schedule-cron", "schedule-every", "schedule-at", "schedule-zone", "x", "y"),
    }
    for path, names in fields.items():
        hidden = admin.hidden(path)
        for first in range(6):
            text = " ".join(STRINGS[first::6])
            answer = admin.client.post(path, data={**hidden, **dict.fromkeys(names, text)})
            assert answer.mimetype == "text/html"
            assert active(answer.text) == [], path


def test_an_email_with_them_has_nothing_active(site: Site, strings: tuple[str, ...]) -> None:
    operator = site.browser(Role.OPERATOR)
    for text in strings:
        subject = " ".join(text.split())
        with write() as session:
            id = post(session, Letter(to=["a@example.org"], subject=subject, template="letter", context={"text": text}))
        framed = operator.get(f"/mails/{id}/html")
        assert framed.status_code == 200
        assert "allow-scripts" not in framed.headers["Content-Security-Policy"]
        body = framed.text.replace(emails.FRAME_HEAD, "", 1)
        assert active(body, is_page=False) == [], text
    with read() as session:
        assert len(session.execute(select(Mail.seq)).all()) == len(strings)
        assert deliveries.page(session, state=None, after=None, limit=1).mails
