"""Load on two hosts while a RabbitMQ node is killed and PostgreSQL fails over. Prints lost and doubled jobs, and standstills.

python -m tests.faults.scaling.fail_over [--rate 200] [--seconds 60] [--tls]
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import select

from src.jobs.core.models import Attempt, Job
from src.jobs.core.states import FINAL
from src.sql.database import Database
from tests.faults.chaos.load import Load, Submitters
from tests.faults.scaling import sizes
from tests.faults.scaling.hosts import Installation, installation
from tests.harness.ledger import Account, account, percentile

#: seconds in which everything must have ended after the load
CALM_S = 120.0
#: seconds of load after the last blow, at least
AFTERMATH_S = 10.0
#: seconds that jobs may stand still after a blow
RESUMED_S = 30.0


@dataclass
class Blow:
    """A failure: when, and the longest time after it in which no job started, and in which none was accepted."""

    what: str
    at: datetime
    standstill_s: float = 0.0
    refused_s: float = 0.0

    def line(self) -> str:
        return f"{self.what}: no job started for {self.standstill_s:.1f} s, none was accepted for {self.refused_s:.1f} s"


@dataclass
class Report:
    """Results of a run."""

    account: Account
    load: Load
    blows: list[Blow]
    waits_s: list[float] = field(default_factory=list)  # of each job, from its submission to its first start
    hosts: Counter[str] = field(default_factory=Counter)  # attempts by worker
    sizes: list[str] = field(default_factory=list)
    load_s: float = 0.0
    calm_s: float = 0.0

    def check(self) -> None:
        self.account.check()
        assert self.account.states["succeeded"] == self.account.accepted, self.account.states
        for blow in self.blows:
            assert blow.standstill_s < RESUMED_S, blow.line()

    def lines(self) -> list[str]:
        seconds = self.load.seconds
        return [
            f"{self.account.accepted / self.load_s:.0f} jobs/s accepted in {self.load_s:.0f} s",
            *self.account.lines(),
            *(blow.line() for blow in self.blows),
            f"submissions refused: {len(self.load.refused)} {Counter(text[:90] for text in self.load.refused).most_common(3) or ''}",
            f"submit p50 {percentile(seconds, 0.5) * 1000:.1f} ms, p99 {percentile(seconds, 0.99) * 1000:.1f} ms, "
            f"longest {max(seconds, default=0.0):.1f} s",
            f"submitted to started: p50 {percentile(self.waits_s, 0.5) * 1000:.1f} ms, p99 {percentile(self.waits_s, 0.99):.2f} s, "
            f"longest {max(self.waits_s, default=0.0):.1f} s",
            *self.sizes,
            f"attempts by worker: {', '.join(f'{name} {count}' for name, count in self.hosts.most_common())}",
            f"all ended {self.calm_s:.1f} s after the last submission",
        ]


def run(hosts: Installation, *, rate: float, seconds: float, blows: Sequence[Callable[[Installation], str]]) -> Report:
    """Submit at a steady rate, strike at even distances, and wait for calm."""
    submitters = Submitters(hosts.make_send(), total=10**9, rate=rate, lengths_ms=(1, 20), threads=16)
    struck: list[Blow] = []
    taken: list[str] = []
    before = sizes.cpu(hosts)
    begun, pace = time.monotonic(), threading.Event()
    submitters.start()
    for number, strike in enumerate(blows, 1):
        pace.wait(max(0.0, begun + seconds * number / (len(blows) + 1) - time.monotonic()))
        if number == 1:
            taken = [sizes.cpu_line(before, sizes.cpu(hosts), len(submitters.load.accepted)), sizes.connections_line(hosts)]
        at = datetime.now(UTC)
        struck.append(Blow(strike(hosts), at))
    pace.wait(max(AFTERMATH_S, begun + seconds - time.monotonic()))
    load = submitters.stop()
    submitted = time.monotonic()
    while time.monotonic() < submitted + CALM_S and _unfinished(hosts.database):
        pace.wait(0.2)
    report = Report(
        account(hosts.database, load.accepted), load, struck, sizes=taken, load_s=submitted - begun, calm_s=time.monotonic() - submitted
    )
    with hosts.database.read() as session:
        rows = session.execute(
            select(Attempt.started_at, Attempt.worker, Attempt.number, Job.created_at).join(Job, Job.seq == Attempt.job_seq)
        )
        attempts = rows.all()
        accepted = list(session.execute(select(Job.created_at)).scalars())
    report.hosts = Counter(worker for _, worker, _, _ in attempts)
    report.waits_s = [(start - submission).total_seconds() for start, _, number, submission in attempts if number == 1]
    ends = [*(blow.at for blow in struck[1:]), None]
    for blow, end in zip(struck, ends, strict=True):
        blow.standstill_s = longest_gap([start for start, *_ in attempts], blow.at, end)
        blow.refused_s = longest_gap(accepted, blow.at, end)
    return report


def longest_gap(instants: Sequence[datetime], begin: datetime, end: datetime | None) -> float:
    """Return the longest time in seconds without an instant, between the two (or the last instant)."""
    inside = sorted(one for one in instants if one >= begin and (end is None or one < end))
    marks = [*inside, *([end] if end else [])]
    return max(((after - before).total_seconds() for before, after in zip([begin, *marks], marks, strict=False)), default=float("inf"))


def kill_node(hosts: Installation) -> str:
    """kill -9 of the node that leads most queues."""
    node = hosts.cluster.busiest()
    node.kill()
    return "kill -9 of a RabbitMQ node"


def start_nodes(hosts: Installation) -> str:
    """Start killed nodes, which join again."""
    for node in hosts.cluster.nodes:
        if node.pid is None:
            node.start(wait=False)
    return "start of the node, which joins again"


def fail_over(hosts: Installation) -> str:
    """kill -9 of the primary, and promotion of the standby."""
    hosts.servers.fail_over()
    return "kill -9 of PostgreSQL's primary, promotion of the standby"


def _unfinished(database: Database) -> bool:
    with database.read() as session:
        return session.execute(select(Job.id).where(Job.state.not_in(list(FINAL)), Job.queue == "chaos").limit(1)).first() is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200, help="jobs per second (200)")
    parser.add_argument("--seconds", type=float, default=60, help="seconds of load (60)")
    parser.add_argument("--tls", action="store_true", help="TLS to RabbitMQ and PostgreSQL")
    parser.add_argument("--keep-logs", metavar="FOLDER", help="copy the logs of the hosts there")
    chosen = parser.parse_args()
    with installation(tls=chosen.tls, durable=True) as hosts:
        report = run(hosts, rate=chosen.rate, seconds=chosen.seconds, blows=[kill_node, start_nodes, fail_over])
        for number in (1, 2) if chosen.keep_logs else ():
            os.makedirs(chosen.keep_logs, exist_ok=True)
            with open(os.path.join(chosen.keep_logs, f"host-{number}.log"), "w") as copy:
                copy.write(hosts.log(number))
    print(
        f"fail-over at {chosen.rate:.0f} jobs/s{' with TLS' if chosen.tls else ''}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f}",
        *report.lines(), sep="\n  ",
    )  # fmt: skip
    report.check()


if __name__ == "__main__":
    main()
