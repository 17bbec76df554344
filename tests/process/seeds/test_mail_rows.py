"""Mail, reports and backups as the introductions have them: each test bears the number of its row in the list of seeds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from src.actors import accounts, arithmetic, mail, reports, upkeep
from src.actors.accounts import UserAccount
from src.backup.files import backups
from src.jobs import State
from src.jobs.control import actions
from src.jobs.core.models import Job
from src.mail import deliveries, reading
from src.mail.models import DeliveryState, Mail
from src.reports import archive
from src.web import create_app
from tests.actors import broker as actors
from tests.harness import fork_server
from tests.harness.callboard import Callboard
from tests.harness.commands import DEADLINE_S
from tests.harness.site import Site
from tests.harness.smtp import MailServer
from tests.harness.waiting import eventually

TIMEOUT_MS = int(DEADLINE_S * 1000)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as running:
        yield running


def mail_of(callboard: Callboard, id: str) -> Mail:
    with callboard.database.read() as session:
        found = deliveries.find(session, id)
    assert found is not None
    return found


def test_D9_a_mail_is_rendered_once_as_text_and_html_and_retried_on_smtp_errors_only(quiet: Callboard, server: MailServer) -> None:
    """A mail task: recipients, subject, template, context; text and HTML; retries on SMTP errors only, rendering outside the retry (D3: in ten minutes)."""
    server.on_rcpt = lambda _: "451 not now"
    with quiet.working(CALLBOARD_SMTP_URL=server.url):
        message = mail.send_mail.send(["Ada <ada@example.com>"], "Your account", template="letter", context={"text": "It is ready."})
        id = message.get_result(block=True, timeout=TIMEOUT_MS)["mail"]
        written = mail_of(quiet, id)
        job = quiet.until(written.delivery_job_id or "", State.RETRYING)
        assert job.reason == "retry 1 after NotSent"
        assert job.due_at is not None
        assert 590 < (job.due_at - job.attempts[0].finished_at).total_seconds() < 610
        assert "451 not now" in (job.error or "")

        server.on_rcpt = lambda _: "250 OK"
        server.on_data = lambda _: MailServer.DIE if len(server.taken) == 1 else "250 OK"
        for attempts in (2, 3):
            with quiet.database.write() as session:
                actions.run_now(session, job.id)
            job = quiet.until(job.id, State.SUCCEEDED if attempts == 3 else State.RETRYING)

        assert job.result == "sent to 1"
        assert [each.message_id for each in server.taken] == [f"<{id}@localhost>"] * 2, "the second is known to be the first"
        text, html = (server.taken[1].message.get_body((kind,)) for kind in ("plain", "html"))
        assert text is not None
        assert html is not None
        assert "It is ready." in text.get_content()
        assert "It is ready.</p>" in html.get_content()
        [delivery] = mail_of(quiet, id).deliveries
        assert (delivery.state, delivery.tries) == (DeliveryState.SENT, 3)

        broken = mail.send_mail.send(["ada@example.com"], "Your account", template="letter", context={})
        failed = quiet.until(broken, State.DEAD)
        assert failed.reason == "LetterError is not retried (throws)"
        assert len(failed.attempts) == 1


def test_D8_two_hundred_equal_failures_are_one_mail_and_recovery_is_mailed(quiet: Callboard, server: MailServer) -> None:
    """Reports of exceptions by mail: not one a failure, but one a kind of failure."""
    with quiet.working(CALLBOARD_SMTP_URL=server.url, CALLBOARD_MAIL_ADMINS="ops@example.com", CALLBOARD_FAILURE_MAIL_QUIET="0.02"):
        # Each fails twice, then succeeds: nothing is dead, but it happens often.
        sent = [actors.succeed_at.send(3) for _ in range(100)]
        for message in sent:
            quiet.until(message, State.SUCCEEDED)

        look_now(quiet)
        eventually(lambda: server.taken, deadline_s=DEADLINE_S, what="a mail tells of the failures")
        told = server.taken[0]
        assert told.recipients == ["ops@example.com"]
        assert str(told.message["Subject"]) == "ValueError in succeed_at (200 times)"
        text = told.message.get_body(("plain",))
        assert text is not None
        assert "attempt N" in text.get_content()
        assert 'raise ValueError(f"attempt {number}")' in text.get_content()

        eventually(lambda: len(server.taken) > 1, deadline_s=DEADLINE_S, what="recovery is told")
        assert [str(each.message["Subject"]) for each in server.taken[1:]] == ["Recovered: ValueError in succeed_at"]
        assert quiet.jobs(actor="mail_failures", state=State.SCHEDULED) == [], "nobody goes on looking"


def look_now(callboard: Callboard) -> None:
    """Let the look at failures that is to come, come now, and wait for its end."""

    def waiting() -> list[Job]:
        return callboard.jobs(actor="mail_failures", state=State.SCHEDULED)

    [job] = eventually(waiting, deadline_s=DEADLINE_S, what="somebody will look at the failures")
    with callboard.database.write() as session:
        actions.run_now(session, job.id)
    callboard.until(job.id, State.SUCCEEDED)


def test_D8_and_A2_a_report_is_a_page_a_mail_a_pdf_and_a_csv(quiet: Callboard, server: MailServer) -> None:
    """A report is made by an actor, goes out by mail and stays in the archive."""
    with quiet.working(CALLBOARD_SMTP_URL=server.url, CALLBOARD_MAIL_ADMINS="ops@example.com,boss@example.com"):
        accounts.create_random_user_accounts.send(total=50).get_result(block=True, timeout=TIMEOUT_MS)
        for number in range(3):
            arithmetic.add.send(number, 1).get_result(block=True, timeout=TIMEOUT_MS)
        quiet.until(actors.fail.send("for the report"), State.DEAD)

        made = reports.daily_operations.send().get_result(block=True, timeout=TIMEOUT_MS)
        _, name, id = made["report"].strip("/").split("/")
        eventually(lambda: server.taken, deadline_s=DEADLINE_S)
        with quiet.database.read() as session:
            report = archive.find(session, name, id)
            pdf = archive.pdf_of(session, report)
        assert report.mail_id == made["mail"]
        assert pdf is not None, report.pdf_note
        assert pdf.startswith(b"%PDF-")
        letter = reading.read(server.taken[0].raw)
        assert letter.subject == report.summary == "Daily operations: 4 ok, 1 dead"
        assert server.taken[0].recipients == ["ops@example.com", "boss@example.com"]
        assert [(part.content_type, part.filename.rpartition(".")[2]) for part in letter.parts] == [
            ("text/csv", "csv"),
            ("application/pdf", "pdf"),
        ]
        assert letter.html is not None
        assert letter.html.count("data:image/png;base64,") == 2
        assert "succeeded 4" in (letter.text or "")
        assert len(letter.html) < 400_000

        users: Any = reports.users_report.send()
        assert users.get_result(block=True, timeout=TIMEOUT_MS)["summary"] == "Users: 50 new in 30 days, 50 in all"
        again: Any = reports.users_report.send()
        assert again.get_result(block=True, timeout=TIMEOUT_MS)["skipped"] == "nothing has changed"


def test_a_mail_server_that_hangs_delays_no_submission(quiet: Callboard, server: MailServer) -> None:
    visit = Site(quiet.database, create_app()).browser()
    page = "/actors/send_mail"

    def submit(number: int) -> float:
        hidden = visit.hidden(page)
        begun = time.perf_counter()
        answer = visit.client.post(
            page, data={**hidden, "to": "ada@example.com", "subject": f"Letter {number}", "context": '{"text": "Hello."}'}
        )
        assert answer.status_code == 303, answer.text
        return time.perf_counter() - begun

    with quiet.working(threads=2, CALLBOARD_SMTP_URL=server.url):
        before = sorted(submit(number) for number in range(7))
        eventually(lambda: len(server.taken) == 7, deadline_s=DEADLINE_S, what="the letters have arrived")
        server.on_rcpt = lambda _: MailServer.HANG
        submit(7)
        eventually(lambda: quiet.jobs(actor="deliver_mail", states=[State.RUNNING]), deadline_s=DEADLINE_S, what="a delivery hangs")
        during = sorted(submit(number) for number in range(8, 15))

        assert quiet.jobs(actor="deliver_mail", states=[State.RUNNING]), "all pages were answered while it hung"
        server.hangs_no_more = True
    print(f"median before {before[3] * 1000:.1f} ms, during {during[3] * 1000:.1f} ms")


def test_B5_the_application_backs_itself_up_and_a_backup_restores_into_a_service_that_goes_on(quiet: Callboard, tmp_path: Path) -> None:
    """Back up, go on, restore: the users and jobs of then, and nothing that the broker still holds is run wrongly or lost silently."""
    folder = tmp_path / "backups"
    after = tmp_path / "after"
    with quiet.working(CALLBOARD_BACKUP_DIR=str(folder)):
        accounts.create_random_user_accounts.send(total=50).get_result(block=True, timeout=TIMEOUT_MS)
        done = arithmetic.add.send(1, 2)
        done.get_result(block=True, timeout=TIMEOUT_MS)
    waiting = arithmetic.add.send(3, 4)  # queued, in the broker, without a worker
    environment = {**os.environ, **quiet.environment, "CALLBOARD_BACKUP_DIR": str(folder)}
    backed_up = fork_server.server().run(["-m", "src", "backup"], environment)
    assert backed_up.returncode == 0, backed_up.stderr
    [(_, path)] = backups(folder)
    with quiet.working(CALLBOARD_BACKUP_DIR=str(folder)):
        assert waiting.get_result(block=True, timeout=TIMEOUT_MS) == 7
        accounts.create_random_user_accounts.send(total=60).get_result(block=True, timeout=TIMEOUT_MS)
        made = upkeep.back_up.send().get_result(block=True, timeout=TIMEOUT_MS)
        assert made["rows"]["user_accounts"] == 110
    forgotten = actors.echo.send(str(after))  # its message is in the broker, its row will be gone
    eventually(lambda: quiet.job(forgotten.message_id).published_at, deadline_s=DEADLINE_S)
    assert quiet.messages("default") == 1

    quiet.database.engine.dispose()
    restored = fork_server.server().run(["-m", "src", "restore", str(path), "--yes"], environment)
    assert restored.returncode == 0, restored.stderr

    with quiet.database.read() as session:
        assert session.execute(select(func.count()).select_from(UserAccount)).scalar_one() == 50
    assert quiet.job(done.message_id).result == 3
    with quiet.working(CALLBOARD_FOREIGN_MESSAGES="run"):
        assert quiet.until(waiting).result == 7, "what was waiting then runs now"
        held = quiet.until(forgotten, State.HELD)
        assert "was restored at" in (held.reason or "")
        with quiet.database.write() as session:
            actions.release(session, held.id)
        assert quiet.until(forgotten).state is State.SUCCEEDED
        assert arithmetic.add.send(5, 6).get_result(block=True, timeout=TIMEOUT_MS) == 11
