"""Schedule notifications by mail: the calls of a schedule's alert actor become an email to the admins."""

from __future__ import annotations

from typing import Any

import pytest

from src.actors.notifications.schedule_notifications import SUBJECT_LENGTH, mail_schedule_news
from src.jobs.attempts.current_job import RunningJob
from src.mail import deliveries, reading
from src.settings import get_settings
from src.sql.database import Database

NEWS: dict[str, Any] = {
    "event": "no_success",
    "text": "daily figures: no success by 06:30",
    "schedule": "daily figures",
    "schedule_id": "0190",
    "actor": "daily_operations",
    "scheduled_for": "2026-03-18T07:00:00+01:00",
    "job_id": "0198c0de",
    "error": "<b>ValueError</b>: no rows",
}


def test_the_admins_get_a_letter_with_the_facts_and_the_schedules_address(database: Database, running: RunningJob) -> None:
    id = mail_schedule_news(NEWS)

    running.session.commit()
    with database.read() as session:
        mail = deliveries.find(session, id)
        assert mail is not None
        letter = reading.read(deliveries.raw_of(session, mail.id) or b"")
        assert [each.recipient for each in mail.deliveries] == ["ops@example.com"]
    assert letter.subject == NEWS["text"]
    assert letter.html
    for fact in (
        "no success by 06:30",
        "Actor: daily_operations",
        "Scheduled for: 2026-03-18 06:00:00 UTC",
        "Job: 0198c0de",
        "Error: <b>ValueError",
        "/schedules/0190",
    ):
        assert fact in (letter.text or "")
    assert "<b>ValueError" not in (letter.html or "")


def test_a_name_of_many_lines_stays_one_header(database: Database, running: RunningJob) -> None:
    id = mail_schedule_news({**NEWS, "text": "x\r\nBcc: eve@example.com " + "y" * 500})

    running.session.commit()
    with database.read() as session:
        mail = deliveries.find(session, id)
        assert mail is not None
        letter = reading.read(deliveries.raw_of(session, mail.id) or b"")
        assert [each.recipient for each in mail.deliveries] == ["ops@example.com"]
    assert letter.subject.startswith("x Bcc: eve@example.com y")
    assert len(letter.subject) == SUBJECT_LENGTH


def test_without_admins_it_says_so_and_writes_nothing(running: RunningJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_MAIL_ADMINS", "")
    get_settings.cache_clear()

    assert mail_schedule_news(NEWS) == "CALLBOARD_MAIL_ADMINS names no recipients"
