"""A console with content on every page: jobs in every state, a workflow, schedules, reports, mail, a batch, a pause."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

from dramatiq import Message
from sqlalchemy import insert, select, update

import tests.actors.web
from src.jobs.alerts.models import Alert, AlertKind
from src.jobs.control.held import Unreadable, hold_foreign, hold_unreadable
from src.jobs.core.models import Attempt, Job, LogLine
from src.jobs.core.states import Outcome, State
from src.jobs.failures import counting
from src.jobs.read.models import WorkerMemory
from src.jobs.read.spans import minute_of
from src.mail import mailbox
from src.mail.letters import compose
from src.reports import archive
from src.reports.document import Chart, Document, Series, Words
from src.sql.clock import now
from src.sql.database import write
from tests.harness.site import Program, Site
from tests.sql.web.test_mail_pages import letter, written
from tests.sql.web.test_workflows import DAG

assert tests.actors.web

LONG = "a_word_that_is_much_longer_than_any_word_should_be_" * 4
TRACEBACK = 'Traceback (most recent call last):\n  File "/srv/app/actors.py", line 3, in divide\n    return x / y\nZeroDivisionError: division by zero\n'
_BATCH = b"x,y\n1,2\n3,four\n5,6\n"


def furnish(site: Site) -> dict[str, str]:
    """Fill the console; return the ids that addresses need: of a job, a batch and so on."""
    program, visit = site.program(), site.browser()
    jobs = {state: program.submit("add", 1, 2) for state in State}
    for state, id in jobs.items():
        _become(id, state)
    dead = jobs[State.DEAD]
    _fail(dead)
    program.submit("linger", 5, delay="2h", priority=9)
    ids = {
        "job": dead,
        "running": jobs[State.RUNNING],
        "succeeded": jobs[State.SUCCEEDED],
        "waiting": program.submit("order", [{"name": "pen", "count": 2}], delay="3h"),
        "workflow": program.post("/api/v1/workflows", DAG).get_json()["id"],
        "schedule": str(
            program.post("/api/v1/schedules", {"name": LONG[:90], "actor": "add", "args": [1, 2], "cron": "*/15 * * * *"}).get_json()["id"]
        ),
        "webhook": program.post("/api/v1/webhooks", {"url": "https://example.org/hook"}).get_json()["id"],
        "mail": written(),
        "batch": visit.fill_in("/actors/add/rows", file=(io.BytesIO(_BATCH), f"{LONG[:40]}.csv")).location.rsplit("/", 1)[1],
        "draft": visit.fill_in("/actors/add/rows", file=(io.BytesIO(_BATCH), "a draft.csv")).location.rsplit("/", 1)[1],
    }
    visit.client.post(
        f"/batches/{ids['batch']}/submit", data=visit.hidden(f"/batches/{ids['batch']}", action=f"/batches/{ids['batch']}/submit")
    )
    _alert(program)
    program.put("/api/v1/pauses/queue:linger", {"reason": "a deploy"})
    message: Message[Any] = Message("default", "add", (1, 2), {}, {}, message_id="by-hand")
    document = Document(
        title="Orders", summary="Orders: 3", period="today", made_at=now(),
        blocks=(Words(text="All well."), Chart(title="Per day", labels=("Mon", "Tue"), series=(Series(name="orders", values=(1, 2)),))),
    )  # fmt: skip
    samples = [
        {"span": 1, "minute": minute_of(now()) - ago, "worker": "here:1", "memory_bytes": 10**8 - ago * 10**5, "jobs_done": 50 - ago}
        for ago in range(40)
    ]
    with write() as session:
        session.execute(insert(WorkerMemory), samples)
        hold_foreign(session, [("default", message)], run=False)
        hold_unreadable(session, [Unreadable("default", b"no json", "not JSON", False)])
        archive.keep(session, "orders", "2026-03-18-aa", document, job_id=None, pdf=b"%PDF-1.7", pdf_note=None, mail_id=None)
        ids["received"] = str(
            mailbox.receive(
                session,
                sender="a@localhost",
                recipients=["ada@example.com"],
                raw=compose(letter(), id="x", sender="a@localhost", at=now()).raw,
            )
        )
    return ids


def _alert(program: Program) -> None:
    """Create three alerts: active, muted, and recovered."""
    at = now() - timedelta(minutes=7)
    with write() as session:
        for kind, subject, over in (
            (AlertKind.BACKLOG, "default", None),
            (AlertKind.LATE, LONG[:90], None),
            (AlertKind.NO_WORKER, "", now()),
        ):
            text = f"Something is wrong with {subject or 'the workers'}"
            session.add(Alert(kind=kind, subject=subject, text=text, seen_at=at, began_at=at, recovered_at=over))
    muted = next(each for each in program.get("/api/v1/alerts").get_json()["alerts"] if each["kind"] == "late")
    assert program.post(f"/api/v1/alerts/{muted['id']}/mute", {"for": "2h"}).status_code == 200


def _become(id: str, state: State) -> None:
    final = now() if state.is_final else None
    values: dict[str, Any] = {"state": state, "attempt": 1, "started_at": now() - timedelta(minutes=3), "finished_at": final}
    if state.is_waiting:
        values |= {"due_at": now() + timedelta(hours=1), "reason": f"waits because of {LONG}"}
    if state is State.SUCCEEDED:
        values |= {"result": {"rows": [1, 2, 3], "text": LONG}}
    if state is State.RUNNING:
        values |= {"progress_done": 3, "progress_total": 9, "progress_message": "three of nine"}
    with write() as session:
        session.execute(update(Job).where(Job.id == id).values(**values))


def _fail(id: str) -> None:
    with write() as session:
        seq = session.execute(select(Job.seq).where(Job.id == id)).scalar_one()
        session.execute(
            update(Job).where(Job.id == id).values(attempt=2, error="ZeroDivisionError: division by zero", reason="retries spent (1/1)")
        )
        for number in (1, 2):
            moment = {"worker": "host:1", "started_at": now() - timedelta(seconds=9), "finished_at": now(), "outcome": Outcome.FAILED}
            session.execute(
                insert(Attempt).values(
                    job_seq=seq,
                    number=number,
                    fingerprint="0123456789abcdef",
                    noted=False,
                    error="ZeroDivisionError: division by zero",
                    traceback=TRACEBACK,
                    **moment,
                )
            )
            line = {"written_at": now(), "level": "warning", "text": f"about to divide {LONG}"}
            session.execute(insert(LogLine).values(job_seq=seq, attempt=number, number=1, **line))
        counting.note_new(session)
