"""Dead rows behind a transaction that is held open: whole lives of jobs, written in SQL as workers write them (PostgreSQL)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

#: jobs of one transaction
CHUNK = 10_000

_LIVES = """
    INSERT INTO jobs (id, actor, queue, state, args, kwargs, options, priority, source, attempt, failures, crashes, cancel_requested, created_at, publish_at)
    SELECT gen_random_uuid()::text, 'noop', 'bench', 'queued', '[]', '{{}}', '{{}}', 5, 'send', 0, 0, 0, false, clock_timestamp(), {instant}
    FROM generate_series(1, {jobs});
    UPDATE jobs SET publish_at = NULL, published_at = {instant} WHERE state = 'queued' AND queue = 'bench';
    UPDATE jobs SET state = 'running', attempt = 1, worker_id = 1, started_at = clock_timestamp() WHERE state = 'queued' AND queue = 'bench';
    INSERT INTO attempts (job_seq, number, worker, started_at, finished_at, outcome)
    SELECT seq, 1, 'host:1', started_at, clock_timestamp(), 'succeeded' FROM jobs WHERE state = 'running';
    UPDATE jobs SET state = 'succeeded', worker_id = NULL, finished_at = clock_timestamp(), result = '0' WHERE state = 'running'
"""


@contextmanager
def pinned(url: str) -> Iterator[None]:
    """Hold a transaction with a snapshot open, as a report or a backup does."""
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute("SELECT count(*) FROM workers")
        yield
        connection.rollback()


def age(url: str, jobs: int) -> None:
    """Let so many jobs be submitted, published, claimed and ended, spread over the last half an hour."""
    with psycopg.connect(url) as connection:
        for begin in range(0, jobs, CHUNK):
            instant = f"(clock_timestamp() - interval '{1800 * (1 - begin / jobs):.3f} s')"
            statements = _LIVES.format(instant=instant, jobs=min(CHUNK, jobs - begin))
            for statement in statements.split(";"):
                connection.execute(statement.encode())
            connection.commit()
