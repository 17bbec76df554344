"""Storms: load while its infrastructure is killed. Prints accepted, lost and doubled jobs, and recovery times.

python -m tests.faults.chaos.storm workers|broker|queues|wipe|postgresql|freeze|starve [--store sqlite|postgresql] [--seconds 60] …
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from src.jobs.core.models import Job
from src.jobs.core.states import FINAL
from src.sql.database import Database
from tests.faults.chaos.load import Load, Submitters, directly, over_http
from tests.harness.breakable import Breakable, breakable, kill_postgres, submitters_token, web_command
from tests.harness.callboard import Callboard
from tests.harness.fleet import Fleet
from tests.harness.ledger import Account, Recovery, account, percentile, recovery
from tests.harness.waiting import eventually

#: seconds after which busy loops end by themselves
LOOPS_S = 900
#: seconds in which everything must have ended after the last blow
CALM_S = 120.0


@dataclass
class Report:
    """Results of a storm."""

    account: Account
    load: Load
    blows: Counter[str]
    recovery: Recovery = field(default_factory=Recovery)
    calm_s: float = 0.0  # from the last blow to the last end
    wall_s: float = 0.0

    def lines(self) -> list[str]:
        submit = self.load.seconds
        found = [
            *self.account.lines(),
            f"blows: {', '.join(f'{count} × {what}' for what, count in self.blows.items())}",
            f"submissions refused: {len(self.load.refused)} {Counter(text[:90] for text in self.load.refused).most_common(3) or ''}",
            f"submit p50 {percentile(submit, 0.5) * 1000:.1f} ms, p99 {percentile(submit, 0.99) * 1000:.1f} ms, "
            f"longest {max(submit, default=0) * 1000:.0f} ms",
        ]
        for what, seconds in (("given away", self.recovery.given_away_s), ("started again", self.recovery.restarted_s)):
            if seconds:
                found.append(
                    f"victims' jobs {what}: {len(seconds)}, p50 {percentile(seconds, 0.5):.1f} s, p99 {percentile(seconds, 0.99):.1f} s, "
                    f"longest {max(seconds):.1f} s"
                )
        found.append(f"all ended {self.calm_s:.1f} s after the last blow, wall time {self.wall_s:.0f} s")
        return found


def workers(
    callboard: Callboard, *, jobs: int = 2000, seconds: float = 60.0, every: float = 2.0, lengths_ms: tuple[int, int] = (5, 1000)
) -> Report:
    """kill -9 of a random worker process every `every` seconds."""
    chance = random.Random(7)
    # Four processes of four threads: a restart takes seconds on a small machine, and enough workers must remain.
    with Fleet(callboard.environment, callboard.log, workers=4, threads=4) as fleet:
        _serving(callboard.database, 4)
        submitters = Submitters(directly(callboard.database), total=jobs, rate=jobs / seconds * 1.5, lengths_ms=lengths_ms)

        def strike() -> str:
            kill = fleet.kill_a_worker(chance)
            return f"kill -9 of a {kill.what}" if kill else "nobody to kill"

        report = _storm(callboard.database, submitters, strike, seconds=seconds, every=every)
        killed = {kill.pid: kill.at for kill in fleet.kills}
    report.recovery = recovery(callboard.database, killed)
    return report


def broker(callboard: Breakable, *, rate: float = 100.0, seconds: float = 75.0, kills: int = 5) -> Report:
    """kill -9 of RabbitMQ and its start, again and again, while the web API takes jobs."""

    def strike() -> str:
        callboard.node.kill()
        callboard.node.start()
        return "kill -9 of RabbitMQ"

    return _with_web(callboard, strike, rate=rate, seconds=seconds, every=seconds / (kills + 1), most=kills)


def queues(callboard: Breakable, *, rate: float = 100.0, seconds: float = 45.0) -> Report:
    """All queues deleted by hand, three times."""
    return _with_web(
        callboard, lambda: f"deletion of {callboard.delete_queues()} queues", rate=rate, seconds=seconds, every=seconds / 4, most=3
    )


def wipe(callboard: Breakable, *, rate: float = 100.0, seconds: float = 30.0) -> Report:
    """The broker loses its whole data folder."""

    def strike() -> str:
        callboard.wipe_broker()
        return "wipe of RabbitMQ"

    return _with_web(callboard, strike, rate=rate, seconds=seconds, every=seconds / 2, most=1)


def postgresql(callboard: Breakable, *, rate: float = 50.0, seconds: float = 40.0, kills: int = 3) -> Report:
    """kill -9 of PostgreSQL; it stays away for five seconds each time."""
    server = callboard.postgres
    assert server is not None, "this storm needs --store postgresql"

    def strike() -> str:
        kill_postgres(server)
        threading.Event().wait(5.0)
        eventually(lambda: _starts(server.start), deadline_s=30, interval_s=0.5, what="PostgreSQL is back")
        return "kill -9 of PostgreSQL"

    return _with_web(callboard, strike, rate=rate, seconds=seconds, every=seconds / (kills + 1), most=kills)


def freeze(callboard: Breakable, *, jobs: int = 400, seconds: float = 45.0, frozen_s: float = 15.0) -> Report:
    """A worker process that stands still for longer than its lease, then goes on."""
    with Fleet(callboard.environment, callboard.log) as fleet:
        _serving(callboard.database, 2)
        submitters = Submitters(directly(callboard.database), total=jobs, rate=jobs / seconds, lengths_ms=(100, 3000))

        def strike() -> str:
            child = fleet.worker_pid(fleet.workers()[0])
            assert child is not None
            os.kill(child, signal.SIGSTOP)
            threading.Event().wait(frozen_s)
            os.kill(child, signal.SIGCONT)
            return f"freeze of {frozen_s:.0f} s"

        return _storm(callboard.database, submitters, strike, seconds=seconds, every=10.0, most=2)


def starve(callboard: Breakable, *, jobs: int = 2000, loops: int = 60) -> Report:
    """Busy loops beside the workers, which get a small part of a core; no process is killed, so no job may count a crash."""
    with Fleet(callboard.environment, callboard.log, workers=3, threads=8) as fleet, ExitStack() as ending:
        _serving(callboard.database, 3)
        submitters = Submitters(directly(callboard.database), total=jobs, rate=100, lengths_ms=(0, 3000))
        for _ in range(loops):
            loop = subprocess.Popen(
                [sys.executable, "-c", f"import time; until = time.monotonic() + {LOOPS_S}\nwhile time.monotonic() < until: pass"]
            )
            ending.callback(loop.wait)
            ending.callback(loop.kill)
        begun = time.monotonic()
        load_average = 0.0
        submitters.start()
        load = submitters.wait()
        while time.monotonic() < begun + LOOPS_S and _unfinished(callboard.database, load.accepted):
            load_average = max(load_average, os.getloadavg()[0])
            threading.Event().wait(1)
        blows = Counter(
            {f"no kill; load up to {load_average:.0f}, worker commands started {sum(part.starts for part in fleet.workers())} times": 1}
        )
        found = account(callboard.database, load.accepted)
        with callboard.database.read() as session:
            crashes = session.execute(select(func.sum(Job.crashes))).scalar_one()
    assert not crashes, f"{crashes} crashes are counted, and no worker has died"
    assert found.states["succeeded"] == len(load.accepted), found.states
    return Report(found, load, blows, wall_s=time.monotonic() - begun)


STORMS: dict[str, Callable[..., Report]] = {storm.__name__: storm for storm in (workers, broker, queues, wipe, postgresql, freeze, starve)}


def _with_web(callboard: Breakable, strike: Callable[[], str], *, rate: float, seconds: float, every: float, most: int) -> Report:
    command, environment, url = web_command()
    with Fleet(callboard.environment, callboard.log) as fleet:
        fleet.add("web", command, environment)
        _serving(callboard.database, 2)
        eventually(lambda: _answers(f"{url}/healthz"), deadline_s=60, what="the web front end answers")
        send = over_http(url, submitters_token())
        submitters = Submitters(send, total=int(rate * seconds), rate=rate, lengths_ms=(1, 20), threads=16)
        return _storm(callboard.database, submitters, strike, seconds=seconds, every=every, most=most)


def _storm(
    database: Database, submitters: Submitters, strike: Callable[[], str], *, seconds: float, every: float, most: int | None = None
) -> Report:
    """Submit, strike at a steady pace for `seconds`, then wait for calm."""
    blows: Counter[str] = Counter()
    begun = time.monotonic()
    pace = threading.Event()
    submitters.start()
    number = 0
    while most is None or number < most:
        number += 1
        if begun + number * every > begun + seconds:
            break
        pace.wait(max(0.0, begun + number * every - time.monotonic()))
        blows[strike()] += 1
    last_blow = time.monotonic()
    load = submitters.wait()
    calm_from = max(last_blow, time.monotonic())
    deadline = calm_from + CALM_S
    while time.monotonic() < deadline and _unfinished(database, load.accepted):
        pace.wait(0.2)
    ended = time.monotonic()
    return Report(account(database, load.accepted), load, blows, calm_s=ended - last_blow, wall_s=ended - begun)


def _unfinished(database: Database, accepted: Collection[str]) -> int:
    """Return how many accepted jobs are unfinished; jobs of the callboard's own schedules do not count."""
    with database.read() as session:
        goes_on = session.execute(select(Job.id).where(Job.state.not_in(list(FINAL)))).scalars()
        return len(set(goes_on) & set(accepted))


def _serving(database: Database, count: int) -> None:
    from src.jobs.leases.workers import alive

    def enough() -> bool:
        with database.read() as session:
            return len(alive(session)) >= count

    eventually(enough, deadline_s=60, what=f"{count} workers are registered")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _starts(start: Callable[[], None]) -> bool:
    try:
        start()
    except RuntimeError:
        return False  # children of the killed one still hold its memory
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("storm", choices=sorted(STORMS))
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--keep-log", metavar="FILE", help="copy the log of the commands there")
    chosen = parser.parse_args()
    how = {name: value for name in ("seconds", "jobs", "rate", "kills") if (value := getattr(chosen, name)) is not None}
    with breakable(chosen.store) as callboard:
        report = STORMS[chosen.storm](callboard, **how)
        if report.account.unfinished:
            print(
                "in RabbitMQ:",
                {queue["name"]: queue.get("messages") for queue in callboard.node.api("GET", f"/api/queues/{callboard.vhost}")},
            )
        if chosen.keep_log:
            with open(chosen.keep_log, "wb") as copy:
                copy.write(callboard.log.read_bytes())
    print(f"{chosen.storm} on {chosen.store} at {datetime.now().astimezone():%Y-%m-%d %H:%M}", *report.lines(), sep="\n  ")
    report.account.check()


if __name__ == "__main__":
    main()
