"""Fill a store with final jobs in SQL: a row, its attempt, its searchable text, and for one of ten its log lines.

Rows, ids and instants are in the order of time, as submissions make them; the last one ended a moment ago.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bench import postgres
from src.migrations import migrate
from src.up import packages
from src.up.data import ports

#: name of the PostgreSQL database, and file of the other store
DATABASE, FILE = "ledger", "ledger.db"
#: days that the jobs are spread over
DAYS = 30
#: jobs of one statement
CHUNK = 250_000
#: while filling: a crash loses the folder's content anyway
_HASTE = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "16GB", "shared_buffers": "1GB",
    "maintenance_work_mem": "1GB", "autovacuum": "off", "max_parallel_maintenance_workers": "1",
}  # fmt: skip

_JOBS = """
    INSERT INTO jobs (seq, id, actor, queue, state, args, kwargs, options, priority, source, submitted_by, attempt, failures, crashes,
        cancel_requested, created_at, published_at, started_at, finished_at, result, error, reason)
    SELECT seq, {id}, actor, queue, state, '[]', kwargs, '{{}}', 5, 'send', 'person' || (h % 200), ran, CASE WHEN state = 'dead' THEN 1 ELSE 0 END, 0,
        false, {created}, {created}, CASE WHEN ran = 1 THEN {started} END, {ended}, CASE WHEN state = 'succeeded' THEN '{{"ok":true,"customer":' || customer || '}}' END, error, error
    FROM (SELECT seq, us, h, customer, state, CASE WHEN state IN ('succeeded', 'dead') THEN 1 ELSE 0 END AS ran,
        {actor} AS actor, 'queue' || (h % 5) AS queue,
        '{{"customer":' || customer || ',"email":"person' || customer || '@example.com","locale":"de_DE","dry":false}}' AS kwargs,
        CASE WHEN state = 'dead' THEN 'ValueError: customer ' || customer || ' is not known' END AS error
    FROM (SELECT seq, us, h, h % 9999991 AS customer,
        CASE WHEN h % 10000 < 180 THEN 'dead' WHEN h % 10000 < 240 THEN 'cancelled' WHEN h % 10000 < 260 THEN 'expired' ELSE 'succeeded' END AS state
    FROM ({numbers}) AS numbers) AS drawn) AS made ORDER BY seq
"""
_ATTEMPTS = """
    INSERT INTO attempts (job_seq, number, worker, started_at, finished_at, outcome, error, traceback, fingerprint, noted)
    SELECT seq, 1, 'host' || (seq % 4) || ':' || (1000 + seq % 12), started_at, finished_at,
        CASE WHEN state = 'dead' THEN 'failed' ELSE 'succeeded' END, error,
        CASE WHEN state = 'dead' THEN 'Traceback (most recent call last):' || {filler} || error END,
        CASE WHEN state = 'dead' THEN {fingerprint} END, CASE WHEN state = 'dead' THEN true END
    FROM jobs WHERE seq >= {low} AND seq < {high} AND attempt = 1
"""
_LINES = """
    INSERT INTO log_lines (job_seq, attempt, number, written_at, level, text)
    SELECT seq, 1, n.number, started_at, 'info', 'line ' || n.number || ' of ' || actor || ': ' || kwargs
    FROM jobs CROSS JOIN (SELECT 1 AS number UNION ALL SELECT 2) AS n WHERE seq >= {low} AND seq < {high} AND attempt = 1 AND seq % 10 = 0
"""
_TEXTS = "INSERT INTO job_texts ({key}, text) SELECT seq, actor || '\n' || kwargs FROM jobs WHERE seq >= {low} AND seq < {high}"


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Serve the folder's PostgreSQL databases in haste, and yield the URL of the filled one."""
    programs = packages.postgresql_folder()
    assert programs is not None
    port = ports.anywhere(["postgres"])["postgres"]
    with postgres.serve(programs, folder / "postgresql" / "data", port, log=folder / "filling.log", settings=_HASTE) as group:
        url = f"postgresql://{postgres.USER}@127.0.0.1:{port}"
        for _ in range(600):
            group.check()
            try:
                with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
                    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        yield f"{url}/{DATABASE}"


def fill_postgresql(url: str, jobs: int, until: float) -> bool:
    """Insert the missing jobs up to this number, and stop after `until` (time.monotonic()); return True if none is missing."""
    migrate(url.replace("postgresql:", "postgresql+psycopg:"))
    with psycopg.connect(url, autocommit=True) as connection:
        begun, done = _progress(connection.execute("SELECT max(seq), extract(epoch FROM min(created_at)) * 1000000 FROM jobs").fetchone())
        texts = "('epoch'::timestamptz + ({}) * interval '1 microsecond')"
        while done < jobs and time.monotonic() < until:
            low, high = done + 1, min(done + CHUNK, jobs) + 1
            numbers = f"SELECT seq, {begun} + seq * {_step(jobs)} AS us, abs(hashint8(seq)::bigint) AS h FROM generate_series({low}::bigint, {high - 1}) AS seq"
            parts = {
                "numbers": numbers, "actor": "'actor' || (h / 7 % 20)", "created": texts.format("us"), "started": texts.format("us + 2000 + h % 900000"),
                "ended": texts.format("us + 1000000 + h % 5000000"),
                "id": "format('%s-%s-7%s-8%s-%s', left(lpad(to_hex(us / 1000), 12, '0'), 8), right(to_hex(us / 1000), 4), lpad(to_hex(h % 4096), 3, '0'),"
                " lpad(to_hex(h / 9 % 4096), 3, '0'), lpad(to_hex(seq), 12, '0'))",
                "filler": "repeat(E'\\n  File \"/srv/app/actors.py\", line 20, in run', 8)", "fingerprint": "'f' || lpad((seq % 40)::text, 15, '0')",
                "low": low, "high": high, "key": "seq",
            }  # fmt: skip
            connection.execute("DROP INDEX IF EXISTS ix_job_texts_trigrams")  # built in one go by `finish_postgresql`
            for statement in (_JOBS, _ATTEMPTS, _LINES, _TEXTS):
                connection.execute(statement.format(**parts).encode())
            done = high - 1
            print(f"{done:,} jobs", flush=True)
        connection.execute("SELECT setval(pg_get_serial_sequence('jobs', 'seq'), (SELECT max(seq) FROM jobs))")
    return done >= jobs


def finish_postgresql(url: str) -> None:
    """Build the index of searchable texts, and collect statistics."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        connection.execute(
            "CREATE INDEX IF NOT EXISTS ix_job_texts_trigrams ON job_texts USING gin (text gin_trgm_ops) WITH (fastupdate = off)"
        )
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def fill_sqlite(file: Path, jobs: int, until: float) -> bool:
    """Like fill_postgresql, for the other store."""
    file.parent.mkdir(parents=True, exist_ok=True)
    migrate(f"sqlite:///{file}")
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-1000000")
    begun, done = _progress(connection.execute("SELECT max(seq), min(created_at) FROM jobs").fetchone())
    while done < jobs and time.monotonic() < until:
        low, high = done + 1, min(done + CHUNK, jobs) + 1
        numbers = (
            f"WITH RECURSIVE n(seq) AS (SELECT {low} UNION ALL SELECT seq + 1 FROM n WHERE seq < {high - 1})"
            f" SELECT seq, {begun} + seq * {_step(jobs)} AS us, seq * 2654435761 % 2147483647 AS h FROM n"
        )
        parts = {
            "numbers": numbers, "actor": "'actor' || (h / 7 % 20)", "created": "us", "started": "us + 2000 + h % 900000",
            "ended": "us + 1000000 + h % 5000000",
            "id": "substr(printf('%012x', us / 1000), 1, 8) || '-' || substr(printf('%012x', us / 1000), 9) || printf('-7%03x-8%03x-%012x', h % 4096, h / 9 % 4096, seq)",
            "filler": "replace(hex(zeroblob(8)), '00', char(10) || '  File \"/srv/app/actors.py\", line 20, in run')",
            "fingerprint": "printf('f%015d', seq % 40)", "low": low, "high": high, "key": "rowid",
        }  # fmt: skip
        connection.execute("BEGIN")
        for statement in (_JOBS, _ATTEMPTS, _LINES, _TEXTS):
            connection.execute(statement.format(**parts))
        connection.execute("COMMIT")
        done = high - 1
        print(f"{done:,} jobs", flush=True)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return done >= jobs


def finish_sqlite(file: Path) -> None:
    """Collect statistics, as `PRAGMA optimize` of a long-lived installation does."""
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA analysis_limit=1000")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _progress(found: tuple[Any, ...] | None) -> tuple[int, int]:
    """Return the instant of job 0 in microseconds, and the newest job."""
    newest, first = found or (None, None)
    return (int(first) if newest else int((time.time() - DAYS * 86_400) * 1_000_000), int(newest or 0))


def _step(jobs: int) -> int:
    """Microseconds from one submission to the next."""
    return int(DAYS * 86_400 * 1_000_000 / jobs)
