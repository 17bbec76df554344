"""Counters of the stores: bytes of the write-ahead log, commits, and row versions that died."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from bench.scenarios.contenders import POSTGRESQL, REDIS
from bench.services import Place, Services

_COUNTERS = """
SELECT pg_current_wal_lsn() - '0/0'::pg_lsn, xact_commit,
       (SELECT coalesce(sum(n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables), (SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables)
FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True)
class Counters:
    """Of PostgreSQL all; of Redis the bytes of its append-only file; of SQLite none."""

    wal: int | None = None
    commits: int | None = None
    died: int | None = None  # row versions updated or deleted
    dead: int | None = None  # not yet vacuumed


def read(services: Services, place: Place, store: str) -> Counters:
    if store == POSTGRESQL:
        with psycopg.connect(place.postgresql_url, autocommit=True) as connection:
            row = connection.execute(_COUNTERS).fetchone()
        assert row is not None
        return Counters(*(int(value) for value in row))
    if store == REDIS:
        return Counters(wal=int(services.redis_info("persistence")["aof_current_size"]))
    return Counters()
