"""`python -m bench.pictures`: take the README's pictures, light and dark, in headless Chromium, of the demo shop with its week of history."""

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
from sqlalchemy import insert, select
from werkzeug.serving import make_server

from src.broker.recover import management
from src.broker.recover.management import Overview, QueueNumbers
from src.cli.machine.demo import ACTORS
from src.jobs.core.envelopes import leave_to_relay, publisher
from src.jobs.core.models import Heartbeat, Job, Worker
from src.jobs.core.states import State
from src.jobs.leases.heartbeats import Role as Beats
from src.jobs.submit.submission import new_id
from src.jobs.upkeep import ended_counts
from src.migrations import migrate
from src.operations.people import sessions
from src.operations.people.models import User
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import Database, read, use_database, write
from src.web import create_app
from src.web.auth.access import SESSION_KEY

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
WIDTH, HEIGHT = 1440, 900
#: bytes of one picture
MOST_BYTES = 150_000
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

#: actor -> its queue, its arguments, and how far its running job is
RUNNING: dict[str, tuple[str, list[Any], tuple[int, int, str]]] = {
    "pack_order": ("parcels", [4711, "Hamburg"], (2, 5, "packed 2 of 5")),
    "resize_photo": ("photos", ["tea-pot.jpg", 1280], (4, 5, "tile 4 of 5")),
}
QUEUES = {"shop": 2, "payments": 1, "parcels": 7, "photos": 12, "mail": 0}


def main() -> None:
    """Fill a database, serve the console on it, and write the pictures of each page for each colour scheme."""
    if os.environ.get("CALLBOARD_ACTORS") != ACTORS:  # the shop's actors must be known when src.actors is imported
        os.execve(sys.executable, [sys.executable, "-m", "bench.pictures"], os.environ | {"CALLBOARD_ACTORS": ACTORS})
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
            for name, path in _pages().items():
                page.goto(path, wait_until="load")
                target = FOLDER / f"{name}-{scheme}.png"
                page.screenshot(path=target)
                print(f"{target.relative_to(FOLDER.parent.parent)}: {target.stat().st_size:,} bytes")
            context.close()
        browser.close()
    if too_large := [each.name for each in FOLDER.glob("*.png") if each.stat().st_size > MOST_BYTES]:
        sys.exit(f"over {MOST_BYTES:,} bytes: {', '.join(too_large)}")


def _pages() -> dict[str, str]:
    """The pages by the name of their pictures: a job that was retried, and the form of an actor, beside the overview."""
    with read() as session:
        retried = select(Job.id).where(Job.actor == "pack_order", Job.attempt == 2, Job.state == State.SUCCEEDED)
        job = session.execute(retried.order_by(Job.seq.desc()).limit(1)).scalar_one()
    return {"overview": "/", "job": f"/jobs/{job}", "actor": "/actors/charge_card"}


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
    """The history of the demo shop, and its present: workers, heartbeats, running and queued jobs."""
    from src.demo.history import write_history  # late: it declares the shop's actors

    write_history()
    counted = ended_counts.AT_ONCE
    while counted == ended_counts.AT_ONCE:
        with write() as session:
            counted = ended_counts.count_new(session)
    dice, present = random.Random(7), now()
    with write() as session:
        session.execute(insert(Worker), [_worker(number, present) for number in (1, 2, 3)])
        session.execute(insert(Heartbeat), [_heartbeat(role, present) for role in (Beats.SCHEDULER, Beats.RELAY)])
        session.execute(insert(Job), [_running(actor, dice, present) for actor in RUNNING])
        session.execute(insert(Job), [_queued(queue, number, present) for queue, count in QUEUES.items() for number in range(count)])


def _worker(number: int, present: datetime) -> dict[str, Any]:
    return {
        "id": 100 + number, "name": f"worker-{number}:{4200 + number}", "host": f"worker-{number}", "pid": 4200 + number, "version": "2026.47", "threads": 8,
        "queues": list(QUEUES), "actors": [*RUNNING, "check_stock", "charge_card", "send_receipt"], "started_at": present - timedelta(hours=9, minutes=number), "heartbeat_at": present + timedelta(hours=1),
        "expires_at": present + timedelta(hours=1), "busy": number, "frontier": {}, "memory_bytes": 96_000_000,
    }  # fmt: skip


def _heartbeat(role: Beats, present: datetime) -> dict[str, Any]:
    return {
        "role": role, "name": "worker-1:4300", "host": "worker-1", "pid": 4300, "version": "0.1.0", "started_at": present - timedelta(hours=9),
        "heartbeat_at": present, "expires_at": present + timedelta(hours=1),
    }  # fmt: skip


def _job(actor: str, queue: str, args: list[Any], state: State, created: datetime, **values: Any) -> dict[str, Any]:
    return {
        "id": new_id(), "actor": actor, "queue": queue, "state": state, "args": args, "kwargs": {}, "options": {}, "priority": 0, "source": "send",
        "attempt": 1, "failures": 0, "crashes": 0, "cancel_requested": False, "created_at": created, "published_at": created, **values,
    }  # fmt: skip


def _running(actor: str, dice: random.Random, present: datetime) -> dict[str, Any]:
    queue, args, (done, total, message) = RUNNING[actor]
    started = present - timedelta(seconds=dice.randrange(5, 50))
    progress = {"progress_done": done, "progress_total": total, "progress_message": message}
    return _job(actor, queue, args, State.RUNNING, started, started_at=started, worker_id=101, **progress)


def _queued(queue: str, number: int, present: datetime) -> dict[str, Any]:
    actor, args = next(((name, given) for name, (own, given, _) in RUNNING.items() if own == queue), ("check_stock", [4712 + number, {}]))
    return _job(actor, queue, args, State.QUEUED, present - timedelta(milliseconds=60 * number), attempt=0)


if __name__ == "__main__":
    main()
