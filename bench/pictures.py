"""`python -m bench.pictures`: take the README's pictures of the overview, light and dark, in headless Chromium on made-up jobs."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from flask import Flask
from playwright.sync_api import sync_playwright
from sqlalchemy import insert
from werkzeug.serving import make_server

from src.broker.recover import management
from src.broker.recover.management import Overview, QueueNumbers
from src.jobs.core.envelopes import leave_to_relay, publisher
from src.jobs.core.fingerprints import fingerprint
from src.jobs.core.models import Attempt, Heartbeat, Job, Worker
from src.jobs.core.states import Outcome, State
from src.jobs.failures import counting
from src.jobs.leases.heartbeats import Role as Beats
from src.jobs.submit.submission import new_id
from src.migrations import migrate
from src.operations.people import sessions
from src.operations.people.models import User
from src.operations.people.roles import Role
from src.schedules.edit import editing
from src.schedules.rows.drafts import Draft
from src.sql.clock import now
from src.sql.database import Database, use_database, write
from src.web import create_app
from src.web.auth.access import SESSION_KEY

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
WIDTH, HEIGHT = 1440, 900
#: bytes of one picture
MOST_BYTES = 150_000
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

#: actor -> its queue and a value for its arguments
ACTORS: dict[str, tuple[str, dict[str, Any]]] = {
    "send_invoice": ("mail", {"order": 4711}),
    "resize_photo": ("images", {"photo": "harbour.jpg", "width": 1200}),
    "sync_orders": ("partners", {"shop": "berlin"}),
    "build_report": ("reports", {"month": "2026-10"}),
}
QUEUES = {"mail": 12, "images": 41, "partners": 3, "reports": 0}
#: actor -> how far its running job is
PROGRESS = {
    "build_report": (64, 100, "page 64 of 100"),
    "sync_orders": (180, 240, "order 180 of 240"),
    "resize_photo": (3, 8, "3 of 8 sizes"),
}
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/actors/orders.py", line 31, in sync_orders
    answer = partner.fetch(shop)
TimeoutError: partner API did not answer within 10 s
"""
ERROR = "TimeoutError: partner API did not answer within 10 s"


def main() -> None:
    """Fill a database, serve the console on it, and write a picture for each colour scheme."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("The pictures need Chromium: sudo apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, _console(Path(folder)) as (url, cookie), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--headless=new", "--disable-gpu"])
        for scheme in SCHEMES:
            context = browser.new_context(base_url=url, color_scheme=scheme, viewport={"width": WIDTH, "height": HEIGHT})
            context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": url}])
            page = context.new_page()
            page.goto("/", wait_until="load")
            target = FOLDER / f"overview-{scheme}.png"
            page.screenshot(path=target)
            print(f"{target.relative_to(FOLDER.parent.parent)}: {target.stat().st_size:,} bytes")
            context.close()
        browser.close()
    if too_large := [each.name for each in FOLDER.glob("*.png") if each.stat().st_size > MOST_BYTES]:
        sys.exit(f"over {MOST_BYTES:,} bytes: {', '.join(too_large)}")


@contextmanager
def _console(folder: Path) -> Iterator[tuple[str, Any]]:
    """The console's address and an administrator's cookie."""
    url = f"sqlite:///{folder / 'callboard.db'}"
    environment = {"CALLBOARD_DATA_DIR": str(folder), "CALLBOARD_DATABASE_URL": url, "CALLBOARD_SECRET_KEY": "of the pictures"}
    numbers = {queue: QueueNumbers(ready=ready, unacked=4, consumers=2) for queue, ready in QUEUES.items()}
    answer = Overview(True, "4.2.1", numbers, is_counted=True)
    with patch.dict(os.environ, environment), patch.object(management, "overview", lambda **_: answer):
        migrate(url)
        database = Database(url)
        use_database(database)
        publisher.connect(leave_to_relay)  # no RabbitMQ here
        _fill()
        app = create_app()
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, name="pictures", daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.port}", _cookie(app)
        finally:
            server.shutdown()
            server.server_close()
            database.engine.dispose()


def _cookie(app: Flask) -> Any:
    client = app.test_client()
    with write() as session, client.session_transaction() as cookie:
        user = insert(User).values(name="ada", password_hash="", role=Role.ADMIN, created_at=now())
        cookie[SESSION_KEY] = sessions.start(session, session.execute(user.returning(User.id)).scalar_one(), address="", browser="")
    [found] = (client._cookies or {}).values()
    return found


def _fill() -> None:
    """Workers, heartbeats, a schedule, and the jobs of one good hour with a failing partner in it; the same at every run."""
    dice, present = random.Random(7), now()
    with write() as session:
        session.execute(insert(Worker), [_worker(number, present) for number in (1, 2, 3)])
        session.execute(insert(Heartbeat), [_heartbeat(role, present) for role in (Beats.SCHEDULER, Beats.RELAY)])
        editing.create(session, Draft(name="Nightly report", actor="build_report", kwargs={"month": "2026-10"}, cron="0 6 * * *"), by="ada")
        jobs = [_ended(dice, present) for _ in range(2400)]
        jobs += [
            _failed(state, present - timedelta(minutes=minutes))
            for state, minutes in ((State.DEAD, 11), (State.RETRYING, 4), (State.RETRYING, 2))
        ]
        jobs += [_running(actor, dice, present) for actor in PROGRESS]
        jobs += [_queued(queue, number, present) for queue, count in QUEUES.items() for number in range(count)]
        jobs.sort(key=lambda row: row["created_at"])
        for seq, row in enumerate(jobs, 1):
            session.execute(insert(Job).values(seq=seq, **row))
            if row["error"]:
                session.execute(insert(Attempt).values(job_seq=seq, **_attempt(row)))
    with write() as session:
        counting.note_new(session)


def _worker(number: int, present: datetime) -> dict[str, Any]:
    return {
        "id": number, "name": f"worker-{number}:{4200 + number}", "host": f"worker-{number}", "pid": 4200 + number, "version": "0.1.0", "threads": 8,
        "queues": list(QUEUES), "actors": list(ACTORS), "started_at": present - timedelta(hours=9, minutes=number), "heartbeat_at": present + timedelta(hours=1),
        "expires_at": present + timedelta(hours=1), "busy": number, "frontier": {}, "memory_bytes": 96_000_000,
    }  # fmt: skip


def _heartbeat(role: Beats, present: datetime) -> dict[str, Any]:
    return {
        "role": role, "name": "worker-1:4300", "host": "worker-1", "pid": 4300, "version": "0.1.0", "started_at": present - timedelta(hours=9),
        "heartbeat_at": present, "expires_at": present + timedelta(hours=1),
    }  # fmt: skip


def _job(actor: str, state: State, created: datetime, **values: Any) -> dict[str, Any]:
    queue, kwargs = ACTORS[actor]
    return {
        "id": new_id(), "actor": actor, "queue": queue, "state": state, "args": [], "kwargs": kwargs, "options": {}, "priority": 5, "source": "api",
        "attempt": 1, "failures": 0, "crashes": 0, "cancel_requested": False, "created_at": created, "published_at": created, "submitted_by": "ada", "error": None,
    } | values  # fmt: skip


def _ended(dice: random.Random, present: datetime) -> dict[str, Any]:
    # Half of them around the middle of the hour, so that the chart has a hill as that of real work has.
    finished = present - timedelta(hours=dice.choice((dice.random(), dice.betavariate(3, 3))))
    started = finished - timedelta(seconds=dice.expovariate(2))
    return _job(dice.choice(list(ACTORS)), State.SUCCEEDED, started, started_at=started, finished_at=finished, result="done")


def _failed(state: State, at: datetime) -> dict[str, Any]:
    started = at - timedelta(seconds=10)
    ending = (
        {"finished_at": at, "reason": "retries exhausted"}
        if state.is_final
        else {"due_at": at + timedelta(hours=1), "reason": "retry 2 of 3"}
    )
    return _job("sync_orders", state, started, started_at=started, error=ERROR, failures=1, **ending)


def _running(actor: str, dice: random.Random, present: datetime) -> dict[str, Any]:
    done, total, message = PROGRESS[actor]
    started = present - timedelta(seconds=dice.randrange(5, 50))
    return _job(
        actor, State.RUNNING, started, started_at=started, worker_id=1, progress_done=done, progress_total=total, progress_message=message
    )  # fmt: skip


def _queued(queue: str, number: int, present: datetime) -> dict[str, Any]:
    actor = next(name for name, (own, _) in ACTORS.items() if own == queue)
    return _job(actor, State.QUEUED, present - timedelta(milliseconds=60 * number), attempt=0)


def _attempt(row: dict[str, Any]) -> dict[str, Any]:
    known = fingerprint(row["actor"], ERROR, TRACEBACK)
    return {
        "number": 1, "worker": "worker-2:4202", "started_at": row["started_at"], "finished_at": row["started_at"] + timedelta(seconds=10), "outcome": Outcome.FAILED,
        "error": ERROR, "traceback": TRACEBACK, "fingerprint": known.id if known else None, "noted": False,
    }  # fmt: skip


if __name__ == "__main__":
    main()
