"""Rows beside the jobs of `bench.filling`, so that every page has months to show: workflows, batches, ticks, audit, emails and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice, pairwise
from typing import Any, NamedTuple

from sqlalchemy import select

from bench.filling import ACTORS, AT_ONCE, store_rows
from src.actors.accounts import UserAccount
from src.audit.models import AuditEntry, Via
from src.audit.models import Outcome as AuditOutcome
from src.jobs.batches.models import Batch, BatchRow, Stage
from src.jobs.core.models import Job, LogLine
from src.jobs.core.states import State
from src.jobs.core.workflow_models import End, OnDead, StoredEdge, StoredStep, StoredWorkflow, When
from src.jobs.webhooks.models import Kind, Sent, Webhook, WebhookDelivery
from src.mail.models import Delivery, DeliveryState, Mail, ReceivedMail
from src.reports import archive
from src.reports.document import Chart, Document, Series, Words
from src.schedules.edit import editing
from src.schedules.rows.drafts import Draft
from src.schedules.rows.models import Tick
from src.schedules.rows.vocabulary import Origin, TickState
from src.sql.clock import now
from src.sql.database import Database

#: one job of so many has a step, a row of a batch, a tick, an audit entry, an email and a delivery
EACH = 20
SCHEDULES, STEPS, BATCH = 20, 4, 5_000
RECEIVED = ISSUES = 500
#: log lines of one job; accounts
LINES = ACCOUNTS = 5_000
RAW = b"From: a@localhost\r\nTo: b@example.com\r\nSubject: Order\r\n\r\nThank you.\r\n"


class Known(NamedTuple):
    """A job that other rows refer to."""

    seq: int
    id: str
    state: State
    created_at: datetime
    finished_at: datetime | None


def furnish(database: Database) -> None:
    """Insert rows beside each twentieth of the jobs that exist."""
    with database.write() as session:
        columns = select(Job.seq, Job.id, Job.state, Job.created_at, Job.finished_at)
        known = [Known(*row) for row in session.execute(columns.where(Job.seq % EACH == 0).order_by(Job.seq))]
        for number in range(SCHEDULES):
            draft = Draft(f"schedule {number}", ACTORS[number % len(ACTORS)], every_s=3600)
            editing.insert(session, draft, by="bench")
        for number in range(ISSUES):
            for name in ("daily", "weekly"):
                archive.keep(session, name, f"2026-{number}", _document(), job_id=None, pdf=None, pdf_note=None, mail_id=None)
    for model, rows in (
        (StoredWorkflow, _workflows(known)),
        (StoredStep, _steps(known)),
        (StoredEdge, _edges(known)),
        (Batch, _batches(known)),
        (BatchRow, _batch_rows(known)),
        (Tick, _ticks(known)),
        (AuditEntry, _audit(known)),
        (Mail, _mails(known)),
        (Delivery, _deliveries(known)),
        (ReceivedMail, _received()),
        (Webhook, _webhooks()),
        (WebhookDelivery, _webhook_deliveries(known)),
        (UserAccount, _accounts()),
        (LogLine, _log_lines(known)),
    ):
        while chunk := list(islice(rows, AT_ONCE)):
            store_rows(database, model, chunk)


def _workflows(known: Sequence[Known]) -> Iterator[dict[str, Any]]:
    for number, job in enumerate(known[::STEPS], 1):
        yield {
            "seq": number, "id": f"{number:08x}-0000-7000-8000-000000000000", "name": f"flow {number % 50}", "on_dead": OnDead.WAIT,
            "submitted_by": "bench", "idempotency_key": None, "fingerprint": None, "created_at": job.created_at,
        }  # fmt: skip


def _steps(known: Sequence[Known]) -> Iterator[dict[str, Any]]:
    for number, job in enumerate(known):
        yield {
            "job_seq": job.seq, "workflow_seq": number // STEPS + 1, "name": f"step {number % STEPS}", "runs_on": When.SUCCESS,
            "takes_results": False, "waits_text": None, "delay_ms": None, "not_before": None, "expires_ms": None,
            "released_at": job.created_at, "fate": None,
        }  # fmt: skip


def _edges(known: Sequence[Known]) -> Iterator[dict[str, Any]]:
    for number, (before, after) in enumerate(pairwise(known)):
        if number % STEPS < STEPS - 1:
            yield {"after_seq": after.seq, "before_seq": before.seq, "outcome": End.SUCCEEDED}


def _batches(known: Sequence[Known]) -> Iterator[dict[str, Any]]:
    for number, job in enumerate(known[::BATCH]):
        yield {
            "id": f"batch-{number:04}", "actor": ACTORS[0], "name": f"customers {number}.csv", "stage": Stage.SUBMITTED, "header": ["customer"],
            "dialect": None, "rows": BATCH, "bad": 0, "created_by": "bench", "created_at": job.created_at, "submitted_by": "bench",
            "submitted_at": job.created_at,
        }  # fmt: skip


def _batch_rows(known: Sequence[Known]) -> Iterator[dict[str, Any]]:
    for number, job in enumerate(known):
        yield {
            "batch_id": f"batch-{number // BATCH:04}", "number": number % BATCH + 2, "cells": [str(number)], "args": [], "kwargs": {"customer": number},
            "problems": None, "job_id": job.id,
        }  # fmt: skip


def _ticks(known: Sequence[Known]) -> Iterator[dict[str, Any]]:
    for number, job in enumerate(known):
        state = TickState(job.state.value) if job.state.is_final else TickState.SUBMITTED
        yield {
            "schedule_id": number % SCHEDULES + 1, "scheduled_for": job.created_at, "due_at": job.created_at, "decided_at": job.created_at,
            "origin": Origin.CLOCK, "state": state, "reason": None, "covers": 1, "job_id": job.id, "finished_at": job.finished_at,
            "submitted_by": None,
        }  # fmt: skip


def _audit(known: Sequence[Known]) -> Iterator[dict[str, Any]]:
    for number, job in enumerate(known, 1):
        yield {
            "seq": number, "at": job.created_at, "who": f"person{number % 50}", "who_key": f"user:{number % 50}", "role": "operator", "via": Via.PAGE,
            "address": "10.0.0.1", "action": "job.retry", "kind": "job", "subject": job.id,
            "outcome": AuditOutcome.REFUSED if number % 100 == 0 else AuditOutcome.DONE, "reason": None, "details": None,
        }  # fmt: skip


def _mails(known: Sequence[Known]) -> Iterator[dict[str, Any]]:
    for number, job in enumerate(known, 1):
        yield {
            "seq": number, "id": f"{number:08x}-0000-4000-8000-000000000000", "message_id": f"<{number}@localhost>", "sender": "a@localhost",
            "subject": f"Order {number}", "template": None, "size": len(RAW), "raw": RAW, "job_id": job.id, "delivery_job_id": job.id,
            "created_at": job.created_at,
        }  # fmt: skip


def _deliveries(known: Sequence[Known]) -> Iterator[dict[str, Any]]:
    states = {0: DeliveryState.REFUSED, 1: DeliveryState.QUEUED}
    for number, job in enumerate(known, 1):
        yield {
            "mail_seq": number, "number": 1, "recipient": f"person{number}@example.com", "state": states.get(number % 200, DeliveryState.SENT),
            "tries": 1, "answer": "250 ok", "tried_at": job.created_at, "sent_at": job.created_at,
        }  # fmt: skip


def _received() -> Iterator[dict[str, Any]]:
    for number in range(1, RECEIVED + 1):
        yield {
            "seq": number, "received_at": now(), "sender": "a@localhost", "recipients": f"person{number}@example.com", "subject": f"Order {number}",
            "message_id": f"<{number}@localhost>", "size": len(RAW), "raw": RAW,
        }  # fmt: skip


def _webhooks() -> Iterator[dict[str, Any]]:
    yield {
        "id": "hook-1", "url": "https://example.org/hook", "secret": "s", "kind": Kind.JOB, "actor": None, "states": [State.DEAD.value],
        "created_at": now(), "created_by": "bench",
    }  # fmt: skip


def _webhook_deliveries(known: Sequence[Known]) -> Iterator[dict[str, Any]]:
    for number, job in enumerate(known, 1):
        yield {
            "seq": number, "id": f"delivery-{number}", "webhook_id": "hook-1", "event": "job.dead", "subject": job.id, "payload": "{}",
            "state": Sent.DELIVERED, "tries": 1, "answer": "200", "created_at": job.created_at, "tried_at": job.created_at,
        }  # fmt: skip


def _accounts() -> Iterator[dict[str, Any]]:
    for number in range(1, ACCOUNTS + 1):
        yield {
            "id": number, "username": f"person{number}", "email": f"person{number}@example.com", "password_hash": "", "joined_at": now(),
        }  # fmt: skip


def _log_lines(known: Sequence[Known]) -> Iterator[dict[str, Any]]:
    """Lines of one failed job."""
    dead = next(job for job in known if job.state is State.DEAD)
    for number in range(1, LINES + 1):
        at = dead.created_at + timedelta(milliseconds=number)
        yield {"job_seq": dead.seq, "attempt": 1, "number": number, "written_at": at, "level": "info", "text": f"order {number} is checked"}


def _document() -> Document:
    chart = Chart(title="Per day", labels=("Mon", "Tue"), series=(Series(name="orders", values=(1, 2)),))
    return Document(title="Orders", summary="Orders: 3", period="today", made_at=now(), blocks=(Words(text="All well."), chart))
