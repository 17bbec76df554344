"""A database as it is after months: a million jobs and more, inserted directly, the same ones in every run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from src.jobs.core.fingerprints import fingerprint
from src.jobs.core.models import Attempt, Job, Worker
from src.jobs.core.states import Outcome, State
from src.jobs.failures import counting
from src.jobs.search import texts
from src.sql.clock import now
from src.sql.columns import Base, to_microseconds
from src.sql.database import Database

#: rows of one insert
AT_ONCE = 10_000
#: jobs made one by one; further ones are copies of these, so many in a transaction
MADE, COPIED = 1_000_000, 100_000
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
    """Insert so many jobs with their attempts, texts and error groups, spread over thirty days, and the workers that run some of them.

    Continues where an earlier call was interrupted.
    """
    with database.read() as session:
        there = session.execute(select(func.max(Job.seq))).scalar() or 0
        begun = session.execute(select(Worker.started_at).limit(1)).scalar() or now()
    if not there:
        store_rows(database, Worker, [_worker(number, name, begun) for number, name in enumerate(WORKERS, 1)])
    for first in range(there + 1, min(jobs, MADE) + 1, AT_ONCE):
        dice = random.Random(first)
        rows = [_job(seq, jobs, dice, begun) for seq in range(first, min(first + AT_ONCE, jobs + 1))]
        store_rows(database, Job, rows)
        store_rows(database, Attempt, [attempt for row in rows for attempt in _attempts(row, dice)])
    with database.read() as session:
        if there >= jobs and texts.newest(session) >= jobs:
            return
    with texts.search_fields.replaced(searched), _index_of_texts_built_at_once(database):
        for note in (partial(texts.write_new, limit=AT_ONCE), partial(counting.note_new, limit=AT_ONCE)):
            _all(database, note)
        for first in range(max(there, MADE) + 1, jobs + 1, COPIED):
            _copy_jobs(database, first, min(first + COPIED - 1, jobs), timedelta(days=30) * MADE / jobs)
    if jobs > MADE:
        with database.write() as session:
            values = {"state": State.RUNNING, "worker_id": Job.seq % len(WORKERS) + 1, "finished_at": None}
            session.execute(update(Job).where(Job.seq > jobs - RUNNING).values(**values))


def searched(_actor: str | None, _args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the searchable arguments of these jobs: their actors are loaded nowhere."""
    return dict(kwargs)


def _all(database: Database, note: Callable[[Session], int]) -> None:
    noted = AT_ONCE
    while noted == AT_ONCE:
        with database.write() as session:
            noted = note(session)


@contextmanager
def _index_of_texts_built_at_once(database: Database) -> Iterator[None]:
    """Build PostgreSQL's index of words once for all rows, which takes a tenth of the time."""
    if database.is_sqlite:
        yield
        return
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        off = "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 'ix_job_texts_trigrams'::regclass"
        connection.exec_driver_sql(off)
        yield
        connection.exec_driver_sql("SET maintenance_work_mem = '1GB'")
        connection.exec_driver_sql("REINDEX INDEX ix_job_texts_trigrams")


def _copy_jobs(database: Database, first: int, last: int, span: timedelta) -> None:
    """Insert the jobs of these numbers as copies of those MADE earlier, submitted a `span` later for each MADE numbers."""
    texts_key = "rowid" if database.is_sqlite else "seq"
    with database.write() as session:
        for table, key, names in (
            ("jobs", "seq", [column.name for column in Job.__table__.columns]),
            ("attempts", "job_seq", [column.name for column in Attempt.__table__.columns]),
            ("job_texts", texts_key, [texts_key, "text"]),
        ):
            values = ", ".join(_copied(name, is_sqlite=database.is_sqlite) for name in names)
            copying = f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} WHERE {key} BETWEEN :first - :made AND :last - :made"
            parameters = {"first": first, "last": last, "made": MADE, "span": span // timedelta(microseconds=1)}
            session.execute(text(copying), {name: value for name, value in parameters.items() if f":{name}" in copying})


def _copied(column: str, *, is_sqlite: bool) -> str:
    match column:
        case "seq" | "job_seq" | "rowid":
            return f"{column} + :made"
        case "id":
            return "substr(id, 1, 24) || " + ("printf('%012x', seq + :made)" if is_sqlite else "lpad(to_hex(seq + :made), 12, '0')")
        case "created_at" | "published_at" | "started_at" | "finished_at":
            return f"{column} + :span" if is_sqlite else f"{column} + :span * interval '1 microsecond'"
        case _:
            return column


def store_rows(database: Database, model: Any, rows: list[dict[str, Any]]) -> None:
    """Insert rows in one transaction; each names the same columns."""
    if database.is_sqlite:
        with database.write() as session:
            session.execute(insert(model), rows)
        return
    raw = database.engine.raw_connection()
    try:
        cursor = raw.cursor()
        _copy(cursor, model, rows)
        raw.commit()
    finally:
        raw.close()


def settle(database: Database) -> None:
    """Leave the database as months of work do: PostgreSQL's sequences behind the rows, statistics, no dead rows."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("ANALYZE")
            return
        for table in Base.metadata.sorted_tables:
            column = next(iter(table.primary_key))
            name = connection.exec_driver_sql(f"SELECT pg_get_serial_sequence('{table.name}', '{column.name}')").scalar()
            if name:
                connection.exec_driver_sql(f"SELECT setval('{name}', greatest(1, (SELECT max({column.name}) FROM {table.name})))")
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
