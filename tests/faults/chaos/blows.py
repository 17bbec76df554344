"""Strike each thread and process that something depends on, one after the other, under load: ended, frozen, looped.

    .venv/bin/python -m tests.faults.chaos.blows --store postgresql [--only worker] [--rate 8]

Prints for each blow the seconds until it was noticed and until all worked again, and at the end what was lost, doubled or untrue.
Ends with 1 if anything was, or if a blow was noticed later than docs/explanation/guarantees.md says (twice its seconds: the machine is shared).
"""

from __future__ import annotations

import argparse
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dramatiq import Message

from src.jobs import submit
from src.jobs.core.envelopes import leave_to_relay, publisher
from src.jobs.leases.heartbeats import Role, silent
from src.jobs.leases.heartbeats import alive as beating
from src.jobs.leases.workers import alive
from src.jobs.submit.submission import new_id
from tests.faults.chaos.load import Submitters, directly
from tests.harness.breakable import Breakable, breakable, submitters_token, web_command
from tests.harness.fleet import Fleet, Part
from tests.harness.ledger import account

#: as the commands of this run are configured
STUCK_AFTER_S, LEASE_S = 8.0, 6.0
#: seconds in which everything works again after a blow, and in which every job has ended at the end
BACK_S, CALM_S = 60.0, 180.0
WORKERS = 3
#: threads of a worker process, by their names or, for those of Dramatiq, their classes
THREADS = (
    "committer",
    "lease",
    "pulse",
    "relay",
    "reconciler",
    "publisher",
    "confirmations",
    "ConsumerThread",
    "WorkerThread",
    "interrupts",
)
#: may stand still or loop without loss: their progress is not supervised
ENDED_ONLY = ("WorkerThread",)
#: threads of the scheduler; MainThread is its clock
SCHEDULER_THREADS = ("MainThread", "follower", "relay", "reconciler", "guard", "publisher", "confirmations")
WEB_THREADS = ("publisher", "confirmations")
#: the scheduler's chores. One that ends runs again at its next turn; how long each may take is shortened for this run.
CHORES = ("tidy", "keep_up", "count_rows", "watch", "forecasts", "tidy_files")


@dataclass(frozen=True)
class Blow:
    """Target and kind of a blow, and the seconds within which it must be noticed."""

    target: str
    how: str
    within_s: float

    def __str__(self) -> str:
        return f"{self.target} {self.how}"


BLOWS = (
    *(Blow(thread, "ended", 2.0) for thread in THREADS),
    *(Blow(thread, how, STUCK_AFTER_S + 4) for thread in THREADS if thread not in ENDED_ONLY for how in ("frozen", "looped")),
    Blow("worker process", "killed", LEASE_S + 2),
    Blow("worker process", "frozen", LEASE_S + 2),
    Blow("worker process", "looped", 14.0),
    Blow("main process", "killed", 4.0),
    Blow("watchdog", "killed", 7.0),
    Blow("watchdog", "frozen", 17.0),
    Blow("scheduler", "killed", 3.0),
    Blow("scheduler", "frozen", LEASE_S + 2),
    *(Blow(f"scheduler: {thread}", "ended", 2.0) for thread in SCHEDULER_THREADS),
    *(Blow(f"scheduler: {thread}", how, STUCK_AFTER_S + 4) for thread in SCHEDULER_THREADS for how in ("frozen", "looped")),
    *(Blow(f"chore: {name}", how, STUCK_AFTER_S + 4) for name in CHORES for how in ("frozen", "looped")),
    *(Blow(f"web: {thread}", "ended", 3.0) for thread in WEB_THREADS),
    *(Blow(f"web: {thread}", how, STUCK_AFTER_S + 4) for thread in WEB_THREADS for how in ("frozen", "looped")),
    Blow("web process", "killed", 3.0),
    Blow("web process", "frozen", 62.0),
    Blow("main process of web", "killed", 5.0),
    Blow("RabbitMQ", "killed", 15.0),
    Blow("RabbitMQ", "frozen", 15.0),
    Blow("PostgreSQL", "killed", 5.0),
    Blow("PostgreSQL", "frozen", 15.0),
)


class Run:
    """One Callboard under load, and the hands that strike it."""

    def __init__(self, callboard: Breakable, fleet: Fleet, web: Part, url: str, token: str) -> None:
        self.callboard, self.fleet, self.web, self.url, self.token = callboard, fleet, web, url, token
        self.counts = 0

    # Looks.

    def log(self) -> str:
        return self.callboard.log.read_text(errors="replace")

    def workers(self) -> set[int]:
        """The process ids of the workers that SQL says are alive; empty where SQL does not answer."""
        with suppress(Exception), self.callboard.database.read() as session:
            return {int(one.name.rpartition(":")[2]) for one in alive(session)}
        return set()

    def answer(self, path: str, timeout_s: float = 5) -> tuple[int, str]:
        request = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def works(self) -> bool:
        """A job that is submitted now succeeds, all workers and the scheduler are alive, and the web says ready."""
        try:
            if len(self.workers()) < WORKERS or self.answer("/readyz")[0] != 200:
                return False
            with self.callboard.database.read() as session:
                if any(silent(session, role) for role in Role) or Role.SCHEDULER not in {one.role for one in beating(session)}:
                    return False
            return self.runs()
        except Exception:  # noqa: BLE001 - whatever it is, it does not work yet
            return False

    def runs(self) -> bool:
        id = self.submit("echo_blow", "")
        return bool(_within(10, lambda: self.callboard.job(id).state.is_final))

    def submit(self, actor: str, *args: object) -> str:
        message: Message[object] = Message(queue_name="breaking", actor_name=actor, args=args, kwargs={}, options={}, message_id=new_id())
        with self.callboard.database.write() as session:
            return submit(session, message).id

    def _give_work(self) -> bool:
        """Submit a job that a worker's relay publishes, because a thread without work may stand still; return False."""
        with suppress(Exception), publisher.replaced(leave_to_relay):
            self.submit("echo_blow", "")
        return False

    # Blows.

    def strike(self, blow: Blow) -> tuple[float | None, float | None]:
        """Seconds until the blow was noticed, and until all worked again; None: not within the bound."""
        self.counts += 1
        with self._struck(blow) as noticed:
            begun = time.monotonic()
            seen = _within(2 * blow.within_s, noticed)
        back = _within(BACK_S, self.works)
        if blow.target in THREADS:  # late effects of this blow must not count as those of the next one
            _within(2, lambda: False)
        return seen, None if back is None else time.monotonic() - begun

    @contextmanager
    def _struck(self, blow: Blow) -> Iterator[Callable[[], bool]]:
        if blow.target in THREADS:
            lost = self._losses(blow.target)
            pid = self._by_job("strike", blow.target, blow.how)
            hit = self.callboard.folder / f"trace-{self.counts}.hit"
            reached = _within(60, lambda: hit.exists() or self._give_work()) is not None
            if not reached:
                print(f"  {blow} has not reached its thread: that waits in C, or has ended", flush=True)
            # A worker thread that is struck inside a job ends that attempt and goes on.
            survives = blow.target == "WorkerThread" or not reached
            yield lambda: self._give_work() or survives or self._losses(blow.target) > lost or pid not in (self.workers() or {pid})
        elif blow.target == "worker process" and blow.how == "looped":
            pid = self._by_job("hold_interpreter")
            yield lambda: pid not in self.workers()
        elif ": " in blow.target:
            yield self._by_order(blow)
        elif blow.target in ("RabbitMQ", "PostgreSQL"):
            yield from self._service(blow)
        else:
            yield from self._process(blow)

    def _losses(self, thread: str) -> int:
        """Return how often a worker has logged the loss of this thread."""
        named = {"ConsumerThread": "consumer of ", "WorkerThread": "worker thread"}.get(thread, thread)
        return sum("worker_thread_lost" in line and f'"thread": "{named}' in line for line in self.log().splitlines())

    def _by_job(self, actor: str, *args: str) -> int:
        trace = self.callboard.folder / f"trace-{self.counts}"
        self.submit(actor, *args, str(trace))
        assert _within(30, lambda: trace.exists() and bool(trace.read_text())) is not None, f"{actor} {args} did not run"
        pid = int(trace.read_text())
        assert pid > 0, f"no thread {args}"
        return pid

    def _by_order(self, blow: Blow) -> Callable[[], bool]:
        """Strike in a process that runs no job."""
        kind, _, name = blow.target.partition(": ")
        pid = _children(self.web.process.pid)[0] if kind == "web" else self._scheduler().process.pid
        trace = self.callboard.folder / f"trace-{self.counts}"
        self._order(pid, kind, name, blow.how, str(trace))
        hit = Path(f"{trace}.hit")
        reached = _within(60, lambda: hit.exists() or self._order(pid, kind, name, "", str(trace))) is not None
        if not reached:
            print(f"  {blow} has not reached its thread: that waits in C, or has ended", flush=True)
        return lambda: not reached or self._order(pid, kind, name, "", str(trace)) or not _runs(pid)

    def _order(self, pid: int, *words: str) -> bool:
        """Have the process strike one of its threads, or, without a blow, submit a job: a thread without work may stand still. False."""
        order = self.callboard.folder / f"orders-{pid}"
        if not order.exists():
            order.with_suffix(".new").write_text("\n".join(words))
            order.with_suffix(".new").rename(order)
        return False

    def _scheduler(self) -> Part:
        """Return the scheduler once it works."""
        part = next(one for one in self.fleet.parts if one.name == "scheduler")
        # One that has just died is alive by its heartbeat for some seconds.
        assert _within(60, lambda: _runs(part.process.pid) and self._beats(part.process.pid)) is not None, "the scheduler does not start"
        return part

    def _process(self, blow: Blow) -> Iterator[Callable[[], bool]]:
        noticed: Callable[[], bool]
        if blow.target == "worker process":
            pid = self.fleet.worker_pid(self.fleet.workers()[0]) or 0
            noticed = lambda: pid not in self.workers()  # noqa: E731
        elif blow.target == "main process":
            part = self.fleet.workers()[0]
            pid, child = part.process.pid, self.fleet.worker_pid(part)
            noticed = lambda: child not in self.workers()  # noqa: E731
        elif blow.target == "watchdog":
            worker = self.fleet.worker_pid(self.fleet.workers()[0]) or 0
            [pid] = _watchdogs(worker)
            noticed = lambda: bool(set(_watchdogs(worker)) - {pid})  # noqa: E731
        elif blow.target == "scheduler":
            part = self._scheduler()
            pid, starts = part.process.pid, part.starts
            noticed = lambda: part.starts > starts or self._is_silent(pid)  # noqa: E731
        else:
            pid = self.web.process.pid if blow.target == "main process of web" else _children(self.web.process.pid)[0]
            noticed = lambda: not _runs(pid) and self.answer("/healthz")[0] == 200  # noqa: E731
        os.kill(pid, signal.SIGSTOP if blow.how == "frozen" else signal.SIGKILL)
        try:
            yield noticed
        finally:
            if blow.how == "frozen":
                with suppress(ProcessLookupError):  # it was replaced
                    os.kill(pid, signal.SIGCONT)

    def _beats(self, pid: int) -> bool:
        with self.callboard.database.read() as session:
            return any(one.pid == pid for one in beating(session, Role.SCHEDULER))

    def _is_silent(self, pid: int) -> bool:
        with self.callboard.database.read() as session:
            return any(one.pid == pid for role in Role for one in silent(session, role))

    def _service(self, blow: Blow) -> Iterator[Callable[[], bool]]:
        if blow.target == "RabbitMQ":
            process = self.callboard.node.process
            noticed = lambda: "not reachable" in self.answer("/readyz", 30)[1]  # noqa: E731
        else:
            assert self.callboard.postgres is not None
            process = self.callboard.postgres.process
            noticed = lambda: self.answer("/readyz", 30)[0] in (0, 503)  # noqa: E731
        assert process is not None
        pids = [process.pid, *_below(process.pid)]
        for pid in pids[:1] if blow.how == "killed" else pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if blow.how == "killed" else signal.SIGSTOP)
        try:
            yield noticed
        finally:
            if blow.how == "frozen":
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)
            else:
                process.wait(10)
                server = self.callboard.postgres
                start = self.callboard.node.start if blow.target == "RabbitMQ" or server is None else server.start
                assert _within(60, lambda: _starts(start)) is not None, f"{blow.target} does not start again"


def _starts(start: Callable[[], object]) -> bool:
    try:
        start()
    except RuntimeError:
        return False
    return True


def _within(seconds: float, condition: Callable[[], object]) -> float | None:
    """Seconds until the condition was true; None after `seconds`."""
    begun = time.monotonic()
    while True:
        if condition():
            return time.monotonic() - begun
        if time.monotonic() - begun > seconds:
            return None
        time.sleep(0.1)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            found += [int(child) for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    return found


def _below(pid: int) -> list[int]:
    return [each for child in _children(pid) for each in (child, *_below(child))]


def _watchdogs(worker: int) -> list[int]:
    return [pid for pid in _children(worker) if _runs(pid) and "watchdog.py" in Path(f"/proc/{pid}/cmdline").read_text()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--rate", type=float, default=8.0, help="jobs a second")
    parser.add_argument("--only", default="", help="strike only targets whose name holds this")
    chosen = parser.parse_args()
    blows = [one for one in BLOWS if chosen.only in str(one) and not (one.target == "PostgreSQL" and chosen.store == "sqlite")]
    wrong: list[str] = []
    with breakable(chosen.store, actors="tests.actors.chaos,tests.actors.breaking") as callboard:
        command, environment, url = web_command()
        settings = {**callboard.environment, "CALLBOARD_STUCK_AFTER": str(STUCK_AFTER_S), "BREAKING_ORDERS": str(callboard.folder)}
        with Fleet(settings, callboard.log, workers=WORKERS, threads=4) as fleet:
            run = Run(callboard, fleet, fleet.add("web", command, environment), url, submitters_token())
            assert _within(90, run.works) is not None, "it does not work to begin with"
            submitters = Submitters(directly(callboard.database), total=10**9, rate=chosen.rate, lengths_ms=(5, 400))
            submitters.start()
            for blow in blows:
                seen, back = run.strike(blow)
                late = seen is None or back is None
                print(f"{'✘' if late else '✔'} {blow}: noticed after {_s(seen)}, all works after {_s(back)}", flush=True)
                wrong += [str(blow)] if late else []
            load = submitters.stop()
            _within(CALM_S, lambda: not account(callboard.database, load.accepted).unfinished)
            found = account(callboard.database, load.accepted)
    print(f"{chosen.store}: {len(blows)} blows", *found.lines(), f"refused: {len(load.refused)} {load.refused[:2]}", sep="\n  ")
    found.check()
    raise SystemExit(f"not noticed in time: {', '.join(wrong)}" if wrong else 0)


def _s(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


if __name__ == "__main__":
    main()
