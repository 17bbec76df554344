"""The contestants: for each its worker, its submitter, and how its stored results are counted."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.baselines import ROOT, VENV
from bench.services import Place

OWN_PROGRAMS = ROOT / ".venv" / "bin"
PROGRAMS = VENV / "bin"
Count = Callable[[], int]


@dataclass(frozen=True)
class Contestant:
    """One row of the table."""

    name: str
    family: str  # for --only
    module: str  # its submitter: python -m MODULE VERB JOBS
    worker: tuple[str, ...]
    programs: Path = PROGRAMS
    variant: str = ""
    stored: Callable[[Place], Iterator[Count]] | None = None  # counts results kept so far; None: it keeps none
    unfinished: Callable[[Place], Iterator[Count]] | None = None  # counts jobs without a result
    prefetch: int | None = None  # of Dramatiq's worker, where that is a variable of the environment
    store: str = ""  # ours: which database
    in_drain: bool = True
    submits: tuple[str, ...] = ()  # verbs measured as submit throughput
    starts: bool = False
    results: bool = False
    needs_redis: bool = False

    def environment(self, place: Place) -> dict[str, str]:
        """Nothing of the caller's own settings but where programs are found."""
        environment = {
            "PATH": f"{self.programs}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(place.folder),
            "PYTHONPATH": str(ROOT),
            "BENCH_AMQP": place.amqp_url,
            "BENCH_DATABASE": place.postgresql_url.replace("postgresql:", "postgresql+psycopg:"),
            "BENCH_REDIS": place.redis_url,
            "BENCH_TALLY": str(place.tally),
            "BENCH_VARIANT": self.variant,
        }
        if self.prefetch:
            environment["dramatiq_queue_prefetch"] = str(self.prefetch)
        if self.store:
            environment |= {
                "CALLBOARD_DATA_DIR": str(place.folder),
                "CALLBOARD_DATABASE_URL": place.postgresql_url if self.store == "postgresql" else f"sqlite:///{place.sqlite_file}",
                "CALLBOARD_BROKER_URL": place.amqp_url,
                "CALLBOARD_ACTORS": "bench.sides.ours_actor",
            }
        return environment

    def command(self, verb: str, jobs: int) -> list[str]:
        """The submitter's command line."""
        return [str(self.programs / "python"), "-m", self.module, verb, str(jobs)]


def _in_sqlite(place: Place) -> Iterator[Count]:
    with closing(sqlite3.connect(f"file:{place.sqlite_file}?mode=ro", uri=True, timeout=10)) as connection:
        yield lambda: int(connection.execute(_UNFINISHED).fetchone()[0])


def _in_postgresql(statement: str) -> Callable[[Place], Iterator[Count]]:
    def counting(place: Place) -> Iterator[Count]:
        with psycopg.connect(place.postgresql_url, autocommit=True) as connection:
            yield lambda: int((connection.execute(statement.encode()).fetchone() or (0,))[0])

    return counting


def _in_redis(place: Place) -> Iterator[Count]:
    port = place.redis_url.rpartition(":")[2].partition("/")[0]
    with closing(socket.create_connection(("127.0.0.1", int(port)), timeout=10)) as connection:

        def count() -> int:
            connection.sendall(b"DBSIZE\r\n")
            return int(connection.recv(100).strip().removeprefix(b":"))

        yield count


#: of the queue that is drained; a partial index has the few rows of each state, so looking is cheap when it counts
_UNFINISHED = (
    "SELECT (SELECT count(*) FROM jobs WHERE state = 'queued' AND queue = 'bench')"
    " + (SELECT count(*) FROM jobs WHERE state = 'running' AND queue = 'bench')"
)

_OURS = ("dramatiq", "src.actors", "--processes", "2", "--threads", "8")
_CELERY = (
    "celery", "-A", "bench.sides.celery_side:app", "worker", "--pool", "prefork", "-c", "2", "--loglevel", "WARNING",
    "--without-gossip", "--without-mingle",
)  # fmt: skip
_DRAMATIQ = ("dramatiq", "bench.sides.dramatiq_side", "--processes", "2", "--threads", "8")
_TASKIQ = ("taskiq", "worker", "bench.sides.taskiq_side:broker", "--workers", "2", "--log-level", "WARNING")

CONTESTANTS = (
    Contestant(
        "Callboard, PostgreSQL", "ours", "bench.sides.ours", _OURS, OWN_PROGRAMS, store="postgresql",
        unfinished=_in_postgresql(_UNFINISHED),
        submits=("submit", "bulk"), starts=True, results=True,
    ),
    Contestant(
        "Callboard, SQLite", "ours", "bench.sides.ours", _OURS, OWN_PROGRAMS, store="sqlite", unfinished=_in_sqlite,
        submits=("submit", "bulk"), starts=True, results=True,
    ),
    Contestant("Celery prefork, no results", "celery", "bench.sides.celery_side", _CELERY, submits=("submit",), starts=True),
    Contestant("Celery prefork, no results, prefetch 128", "celery", "bench.sides.celery_side", _CELERY, variant="prefetch-64"),
    Contestant(
        "Celery prefork, publisher confirms", "celery", "bench.sides.celery_side", _CELERY, variant="confirms", in_drain=False, submits=("submit",)
    ),
    Contestant(
        "Celery prefork, results in PostgreSQL", "celery", "bench.sides.celery_side", _CELERY, variant="results-sql prefetch-64",
        stored=_in_postgresql("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'"), results=True,
    ),
    Contestant(
        "Celery prefork, results in PostgreSQL, as delivered", "celery", "bench.sides.celery_side", _CELERY, variant="results-sql patient",
        in_drain=False, results=True,
    ),
    Contestant(
        "Celery prefork, results in Redis", "celery", "bench.sides.celery_side", _CELERY, variant="results-redis prefetch-64",
        stored=_in_redis, results=True, needs_redis=True,
    ),
    Contestant("Dramatiq, no results", "dramatiq", "bench.sides.dramatiq_side", _DRAMATIQ, submits=("submit",), starts=True),
    Contestant("Dramatiq, no results, prefetch 256", "dramatiq", "bench.sides.dramatiq_side", _DRAMATIQ, prefetch=256),
    Contestant(
        "Dramatiq, publisher confirms", "dramatiq", "bench.sides.dramatiq_side", _DRAMATIQ, variant="confirms", in_drain=False, submits=("submit",)
    ),
    Contestant(
        "Dramatiq, results in Redis", "dramatiq", "bench.sides.dramatiq_side", _DRAMATIQ, variant="results-redis", prefetch=256,
        stored=_in_redis, results=True, needs_redis=True,
    ),
    Contestant("Taskiq, no results", "taskiq", "bench.sides.taskiq_side", _TASKIQ, variant="prefetch-256", submits=("submit",), starts=True),
)  # fmt: skip
