"""A database as it is after months: a million jobs and more, inserted directly, the same ones in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.dialects import postgresql

from src.jobs.core.fingerprints import fingerprint
from src.jobs.core.models import Attempt, Job, Worker
from src.jobs.core.states import Outcome, State
from src.sql.clock import now
from src.sql.columns import to_microseconds
from src.sql.database import Database

#: rows of one insert
AT_ONCE = 10_000
ACTORS = [f"{noun}.{verb}" for noun in ("orders", "mails", "images", "reports", "users") for verb in ("check", "send", "build", "import")]
QUEUES = ("default", "mail", "images", "reports", "slow")
LOCALES = ("de_DE", "en_US", "ja_JP", "fr_FR")
WORKERS = [f"host{number % 4}:{1000 + number}" for number in range(12)]
#: of ten thousand jobs; the rest has succeeded
SHARES = {
    State.DEAD: 180,
    State.CANCELLED: 60,
    State.EXPIRED: 20,
    State.RETRYING: 30,
    State.SCHEDULED: 100,
    State.QUEUED: 60,
    State.HELD: 2,
}
RUNNING = 64
_TRACEBACK = """Traceback (most recent call last):
  File "/srv/app/src/broker/executor.py", line 120, in run
    result = actor.fn(*args, **kwargs)
  File "/srv/app/actors/{noun}.py", line {line}, in {verb}
    raise {kind}({message!r})
{kind}: {message}
"""
_KINDS = ("ValueError", "TimeoutError", "KeyError", "ConnectionError", "LookupError")


def fill(database: Database, jobs: int) -> None:
    """Insert so many jobs with their attempts, spread over the last thirty days, and the workers that run some of them."""
    dice, present = random.Random(7), now()
    with database.write() as session:
        session.execute(insert(Worker), [_worker(number, name, present) for number, name in enumerate(WORKERS, 1)])
    if database.is_sqlite:
        chunks = range(1, jobs + 1, AT_ONCE)
        for first in chunks:
            rows = [_job(seq, jobs, dice, present) for seq in range(first, min(first + AT_ONCE, jobs + 1))]
            with database.write() as session:
                session.execute(insert(Job), rows)
                session.execute(insert(Attempt), [attempt for row in rows for attempt in _attempts(row, dice)])
        with database.engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")
        return
    raw = database.engine.raw_connection()
    try:
        cursor = raw.cursor()
        for first in range(1, jobs + 1, AT_ONCE):
            rows = [_job(seq, jobs, dice, present) for seq in range(first, min(first + AT_ONCE, jobs + 1))]
            _copy(cursor, Job, rows)
            _copy(cursor, Attempt, [attempt for row in rows for attempt in _attempts(row, dice)])
            raw.commit()
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('jobs', 'seq'), {jobs})")
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('workers', 'id'), {len(WORKERS)})")
        raw.commit()
    finally:
        raw.close()
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _copy(cursor: Any, table: Any, rows: list[dict[str, Any]]) -> None:
    columns = {column.name: column.type.bind_processor(_DIALECT) for column in table.__table__.columns if column.name in rows[0]}
    with cursor.copy(f"COPY {table.__tablename__} ({', '.join(columns)}) FROM STDIN") as copying:
        for row in rows:
            copying.write_row([process(row[name]) if process else row[name] for name, process in columns.items()])


def _worker(number: int, name: str, present: datetime) -> dict[str, Any]:
    host, _, pid = name.partition(":")
    return {
        "id": number, "name": name, "host": host, "pid": int(pid), "version": "1", "threads": 8, "queues": list(QUEUES), "actors": ACTORS,
        "started_at": present, "heartbeat_at": present + timedelta(days=1), "expires_at": present + timedelta(days=1), "busy": 5, "frontier": {},
    }  # fmt: skip


def _job(seq: int, jobs: int, dice: random.Random, present: datetime) -> dict[str, Any]:
    created = present - timedelta(days=30) * ((jobs - seq) / jobs) - timedelta(seconds=5)
    state = _state(seq, jobs, dice)
    actor = dice.choice(ACTORS)
    customer = dice.randrange(10**7)
    has_run = state in (State.SUCCEEDED, State.DEAD, State.RETRYING, State.RUNNING)
    started = created + timedelta(seconds=dice.expovariate(1)) if has_run else None
    error = None
    if state in (State.DEAD, State.RETRYING):
        error = f"{dice.choice(_KINDS)}: customer {customer} of {actor} is not known"
    return {
        "seq": seq, "id": f"{to_microseconds(created) // 1000:012x}"[:8] + f"-{dice.randrange(16**4):04x}-7{dice.randrange(16**3):03x}-8000-{seq:012x}",
        "actor": actor, "queue": dice.choice(QUEUES), "state": state, "reason": error, "args": [],
        "kwargs": {"customer": customer, "email": f"person{customer}@example.com", "locale": dice.choice(LOCALES), "dry": False},
        "options": {}, "priority": 5, "source": dice.choice(("form", "api", "schedule", "send")), "submitted_by": f"person{dice.randrange(200)}",
        "attempt": 1 if has_run else 0, "failures": int(error is not None), "crashes": 0,
        "worker_id": dice.randrange(1, len(WORKERS) + 1) if state is State.RUNNING else None, "cancel_requested": False,
        "created_at": created, "due_at": present + timedelta(hours=dice.random() * 90) if state in (State.SCHEDULED, State.RETRYING) else None,
        "published_at": created if has_run or state is State.QUEUED else None, "started_at": started,
        "finished_at": (started or created) + timedelta(seconds=dice.expovariate(0.2)) if state.is_final else None,
        "result": {"ok": True, "customer": customer} if state is State.SUCCEEDED else None, "error": error,
        "held_for": "unknown_actor" if state is State.HELD else None,
    }  # fmt: skip


def _state(seq: int, jobs: int, dice: random.Random) -> State:
    if seq > jobs - RUNNING:
        return State.RUNNING
    drawn = dice.randrange(10_000)
    for state, share in SHARES.items():
        if drawn < share:
            return state
        drawn -= share
    return State.SUCCEEDED


def _attempts(row: dict[str, Any], dice: random.Random) -> Iterator[dict[str, Any]]:
    if row["started_at"] is None or row["state"] is State.RUNNING:
        return
    traceback, known = None, None
    if row["error"]:
        kind, _, message = row["error"].partition(": ")
        noun, _, verb = row["actor"].partition(".")
        traceback = _TRACEBACK.format(noun=noun, verb=verb, kind=kind, message=message, line=20 + len(kind))
        known = fingerprint(row["actor"], row["error"], traceback)
    yield {
        "job_seq": row["seq"], "number": 1, "worker": dice.choice(WORKERS), "started_at": row["started_at"],
        "finished_at": row["finished_at"] or row["started_at"] + timedelta(seconds=1), "outcome": Outcome.FAILED if row["error"] else Outcome.SUCCEEDED,
        "error": row["error"], "traceback": traceback, "fingerprint": known.id if known else None, "noted": False if known else None,
    }  # fmt: skip


_DIALECT: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
