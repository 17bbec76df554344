"""A whole Callboard for a measurement without contestants: services, an empty database, this process as its submitter, and worker commands."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from bench.baselines import ROOT
from bench.processes import Group
from bench.services import Services
from src.broker.publish.publisher import Publisher
from src.jobs.core import envelopes
from src.jobs.leases import workers
from src.settings import get_settings
from src.sql.database import Database, use_database
from tests.harness.fleet import Fleet

STORES = ("postgresql", "sqlite")


@dataclass
class Site:
    """Resources of a measurement."""

    folder: Path
    database: Database
    environment: dict[str, str]
    services: Services

    @property
    def notes(self) -> Path:
        """Where actors write lines that the measurement reads."""
        return self.folder / "notes"

    def lines(self) -> list[list[str]]:
        """The words of each line that actors have written."""
        return [line.split() for line in self.notes.read_text().splitlines()] if self.notes.exists() else []

    @contextmanager
    def worker(self, *arguments: str, threads: int = 8) -> Iterator[Group]:
        """One worker command, of one process."""
        program = str(Path(sys.executable).with_name("dramatiq"))
        command = [program, "src.actors", "-p", "1", "-t", str(threads), "--skip-logging", *arguments]
        with Group(command, env={**os.environ, **self.environment}, cwd=ROOT, log=self.folder / "workers.log") as group:
            yield group

    @contextmanager
    def fleet(self, count: int, *, threads: int = 4) -> Iterator[Fleet]:
        """So many worker commands and a scheduler, started again when they die."""
        with Fleet(self.environment, self.folder / "workers.log", workers=count, threads=threads) as fleet:
            self.wait_for_workers(count)
            yield fleet

    def wait_for_workers(self, count: int) -> None:
        def serving() -> bool:
            with self.database.read() as session:
                return len(workers.alive(session)) >= count

        until(serving, 60, f"{count} workers are registered; see {self.folder / 'workers.log'}")


@contextmanager
def open_site(store: str, *, actors: str = "bench.sides.measured") -> Iterator[Site]:
    """Start all of it and take it away again; 20 seconds."""
    with ExitStack() as ending:
        services = ending.enter_context(Services())
        place = ending.enter_context(services.place())
        url = place.postgresql_url if store == "postgresql" else f"sqlite:///{place.sqlite_file}"
        environment = {
            "PYTHONPATH": str(ROOT),
            "CALLBOARD_DATA_DIR": str(place.folder),
            "CALLBOARD_DATABASE_URL": url,
            "CALLBOARD_BROKER_URL": place.amqp_url,
            "CALLBOARD_ACTORS": actors,
            "CALLBOARD_SECRET_KEY": "of the measurement",
            "BENCH_NOTES": str(place.folder / "notes"),
        }
        ending.callback(get_settings.cache_clear)
        ending.enter_context(patch.dict(os.environ, environment))
        get_settings.cache_clear()
        database = Database(url)
        ending.callback(database.engine.dispose)
        use_database(database)
        ending.callback(use_database, None)
        publisher = Publisher()
        ending.callback(publisher.close)
        ending.enter_context(envelopes.publisher.replaced(publisher.hand_off))
        yield Site(place.folder, database, environment, services)


def parser(text: str | None) -> argparse.ArgumentParser:
    """The options that every measurement has."""
    made = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--store", choices=STORES, default="postgresql")
    return made


def until(condition: Callable[[], object], seconds: float, what: str, *, look_s: float = 0.05) -> None:
    """Wait for a condition; raise TimeoutError after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(look_s)


def share(values: Sequence[float], part: float) -> float:
    """The value below which that part of all lies (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(part * len(ranked)))] if ranked else float("nan")


def megabytes(pid: int) -> float:
    """Resident memory of a process (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1_048_576


def tell(name: str, store: str, lines: Sequence[str], kept: Sequence[tuple[str, bool]]) -> None:
    """Print the figures and which promises were kept; end with 1 if one was not."""
    print(f"{name} on {store}, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, load {os.getloadavg()[0]:.1f}", *lines, sep="\n  ")
    for promise, was_kept in kept:
        print(f"  {'kept  ' if was_kept else 'BROKEN'} {promise}")
    if not all(was_kept for _, was_kept in kept):
        sys.exit(1)
