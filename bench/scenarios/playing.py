"""One scenario for one side: load, a blow after a third of it, and the wait for the last end."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg

from bench.processes import Group, run
from bench.scenarios import counters
from bench.scenarios.contenders import REDIS, SQLITE, Contender
from bench.scenarios.figures import Figures, Lines, figures
from bench.scenarios.producing import VARIABLE, Load
from bench.scenarios.workers import Workers
from bench.services import Place, Services

#: seconds in which a producer imports its side
STARTS_S = 5.0
#: seconds that a restarted database is away
AWAY_S = 3.0
#: seconds after the load until what has not ended is lost, and without an end
LIMIT_S, SILENCE_S = 120.0, 45.0
LOOK_S = 0.2

#: number of the first job of the warm-up
WARM = 1_000_000_000

SCENARIOS = ("steady", "pinned", "killed", "restarted", "burst")


def is_possible(scenario: str, side: Contender) -> bool:
    """False if the side's store has no such thing: a snapshot in Redis, a server of SQLite."""
    return (scenario, side.store) not in (("pinned", REDIS), ("restarted", SQLITE))


def play(services: Services, scenario: str, side: Contender, load: Load, work_ms: float) -> Figures:
    """Run it in an empty place."""
    with services.place() as place:
        environment = side.environment(place, work_ms)
        if side.prepare:
            run(side.command(side.prepare), env=environment, cwd=place.folder, timeout=60)
        with Workers(side, place, environment) as workers:
            _play(
                side, place, environment, workers, replace(load, file=str(place.folder / "warm"), rate=20, seconds=1, burst=0, first=WARM)
            )
            before = counters.read(services, place, side.store)
            load = replace(load, file=str(place.folder / "submitted"), begin=time.time() + STARTS_S, burst_after=load.seconds / 3)
            blow = load.begin + load.seconds / 3
            strike = partial(BLOWS.get(scenario, _nothing), services, place, workers, side, load)
            lines = _play(side, place, environment, workers, load, strike)
        after = counters.read(services, place, side.store)
    return figures(scenario, side.name, load, lines, before, after, None if scenario == "steady" else blow)


def _play(
    side: Contender, place: Place, environment: dict[str, str], workers: Workers, load: Load, strike: Callable[[], None] = lambda: None
) -> Lines:
    """Submit, strike, and wait until every job has ended or none ends any more."""
    command, log = side.command(side.producer), place.folder / "producer.log"
    with Group(command, env={**environment, VARIABLE: load.text()}, cwd=place.folder, log=log) as producer:
        _sleep_until(load.begin + load.seconds / 3)
        strike()
        try:
            producer.process.wait(load.seconds + LIMIT_S)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the producer does not end: {log.read_text()[-2000:]}") from None
    if producer.process.returncode:
        raise RuntimeError(f"the producer failed: {log.read_text()[-2000:]}")
    limit, last, newest = time.monotonic() + LIMIT_S, time.monotonic(), -1
    while True:
        lines = Lines.read(Path(load.file), place.folder / "notes")
        if lines.unended == 0:
            return lines
        if len(lines.ends) > newest:
            newest, last = len(lines.ends), time.monotonic()
        if time.monotonic() > min(limit, last + SILENCE_S):
            if load.first:
                raise RuntimeError(f"the warm-up does not end: {workers.log()}")
            return lines
        time.sleep(LOOK_S)


def _nothing(_services: Services, _place: Place, _workers: Workers, _side: Contender, _load: Load) -> None:
    """The load itself is the scenario."""


def _pin(_services: Services, place: Place, _workers: Workers, side: Contender, load: Load) -> None:
    """A reader whose snapshot stays open for a third of the load."""
    with ExitStack() as ending:
        if side.store == SQLITE:
            file = ending.enter_context(closing(sqlite3.connect(f"file:{place.sqlite_file}?mode=ro", uri=True, isolation_level=None)))
            file.execute("BEGIN")
            file.execute("SELECT count(*) FROM jobs").fetchone()
        else:
            server = ending.enter_context(psycopg.connect(place.postgresql_url, autocommit=True))
            server.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            server.execute("SELECT count(*) FROM pg_class").fetchone()
        _sleep_until(load.begin + load.seconds * 2 / 3)


def _kill(_services: Services, _place: Place, workers: Workers, _side: Contender, _load: Load) -> None:
    """kill -9 of one of the two worker commands, which is started again."""
    workers.kill_one()


def _restart(services: Services, _place: Place, _workers: Workers, side: Contender, _load: Load) -> None:
    """The store is stopped and started some seconds later."""
    stop, start = (services.stop_redis, services.start_redis) if side.store == REDIS else (services.stop_postgres, services.start_postgres)
    stop()
    time.sleep(AWAY_S)
    start()


BLOWS: dict[str, Callable[[Services, Place, Workers, Contender, Load], None]] = {"pinned": _pin, "killed": _kill, "restarted": _restart}


def _sleep_until(instant: float) -> None:
    time.sleep(max(0.0, instant - time.time()))
