"""Sides of the scenarios: their worker, producer, store, and settings; each has two worker commands."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bench.baselines import ROOT
from bench.contestants import OWN_PROGRAMS, PROGRAMS
from bench.scenarios import notes
from bench.services import Place

#: where the ends of jobs are kept
POSTGRESQL, SQLITE, REDIS = "PostgreSQL", "SQLite", "Redis"


@dataclass(frozen=True)
class Contender:
    """One row of each table."""

    name: str
    family: str  # for --only
    store: str
    producer: tuple[str, ...]  # arguments of Python
    worker: tuple[str, ...]
    prepare: tuple[str, ...] = ()  # arguments of Python, before all
    programs: Path = PROGRAMS

    def environment(self, place: Place, work_ms: float) -> dict[str, str]:
        """Nothing of the caller's own settings but where programs are found."""
        return {
            "PATH": f"{self.programs}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(place.folder),
            "PYTHONPATH": str(ROOT),
            "BENCH_AMQP": place.amqp_url,
            "BENCH_DATABASE": place.postgresql_url.replace("postgresql:", "postgresql+psycopg:"),
            "BENCH_REDIS": place.redis_url,
            "CALLBOARD_DATA_DIR": str(place.folder),
            "CALLBOARD_DATABASE_URL": place.postgresql_url if self.store == POSTGRESQL else f"sqlite:///{place.sqlite_file}",
            "CALLBOARD_BROKER_URL": place.amqp_url,
            "CALLBOARD_ACTORS": "bench.sides.ours_numbered",
            notes.FILE: str(place.folder / "notes"),
            notes.WORK: str(work_ms),
        }

    def command(self, arguments: tuple[str, ...]) -> list[str]:
        """A command line of its Python."""
        return [str(self.programs / "python"), *arguments]


_OURS = ("dramatiq", "src.actors", "--processes", "1", "--threads", "8", "--skip-logging")
_LOAD = ("-m", "bench.sides.ours_load")

CONTENDERS = (
    Contender("Callboard, PostgreSQL", "ours", POSTGRESQL, _LOAD, _OURS, programs=OWN_PROGRAMS),
    Contender("Callboard, SQLite", "ours", SQLITE, _LOAD, _OURS, programs=OWN_PROGRAMS),
    Contender(
        "Celery, results in PostgreSQL", "celery", POSTGRESQL, ("-m", "bench.sides.celery_numbered"),
        (
            "celery", "-A", "bench.sides.celery_numbered:app", "worker", "--pool", "prefork", "-c", "4", "--loglevel", "WARNING",
            "--without-gossip", "--without-mingle", "-n", "%h-{number}",
        ),
    ),
    Contender(
        "Dramatiq, Redis", "dramatiq", REDIS, ("-m", "bench.sides.dramatiq_redis"),
        ("dramatiq", "bench.sides.dramatiq_redis", "--processes", "1", "--threads", "8", "--skip-logging"),
    ),
    Contender(
        "Procrastinate", "procrastinate", POSTGRESQL, ("-m", "bench.sides.procrastinate_side", "load"),
        ("python", "-m", "bench.sides.procrastinate_side", "work"), prepare=("-m", "bench.sides.procrastinate_side", "prepare"),
    ),
)  # fmt: skip
