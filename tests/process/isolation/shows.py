"""Demonstrations of cancels, hard limits, poison jobs, hangs and logs, with figures. Tests assert on the same reports.

python -m tests.process.isolation.shows cancel|limits|poison|hang|logs [--store sqlite|postgresql]     a minute each
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy import func, select

import src.actors  # noqa: F401 - builds the broker that these actors are declared on
from src.jobs import State
from src.jobs.control.actions import cancel as ask_to_cancel
from src.jobs.core.models import Job
from src.jobs.leases.stalled import stalled
from src.sql.database import Database
from tests.actors import isolation as actors
from tests.harness.callboard import Callboard
from tests.harness.commands import is_running
from tests.harness.ledger import percentile
from tests.harness.waiting import eventually

#: the actors that nothing but the end of their process stops
BAD = (actors.sleep_in_c, actors.backtrack, actors.loop_for_ever, actors.swallow_everything, actors.have_grandchildren)


@dataclass
class Cancelled:
    """A thousand jobs, cancelled while they wait, run and retry."""

    states: dict[State, int]
    starts: int
    late: list[tuple[str, float]]  # started after they were shown as cancelled, by so many seconds
    seconds: dict[State, list[float]]  # by the state they were in: from the request to the certain end

    def lines(self) -> list[str]:
        asked = ", ".join(f"{len(seconds)} {state}" for state, seconds in self.seconds.items())
        return [
            f"asked: {asked}; ended: {self.states}",
            f"starts {self.starts}, of these after being shown as cancelled: {len(self.late)}",
            *(f"{state}: from the request to cancelled {_spread(seconds)}" for state, seconds in self.seconds.items()),
        ]


def cancelled(callboard: Callboard, *, jobs: int = 1_000) -> Cancelled:
    """Two workers; jobs of which each is retried again and again, and every fourth runs for a second."""
    for _ in range(2):
        callboard.worker(threads=8, queues=["storm"])
    ids = callboard.send(*(actors.stumble.message(number) for number in range(jobs)))
    eventually(lambda: _states(callboard.database).get(State.RETRYING, 0) > 20, deadline_s=30, what="some have failed once")
    shuffled = random.Random(4).sample(ids, len(ids))
    asked: dict[str, tuple[State, float]] = {}
    cancellers = [threading.Thread(target=_cancel_all, args=(callboard, shuffled[start::4], asked)) for start in range(4)]
    shown: dict[str, float] = {}
    for thread in cancellers:
        thread.start()
    while any(thread.is_alive() for thread in cancellers) or set(_states(callboard.database)) != {State.CANCELLED}:
        _note_shown(callboard.database, shown)
    _note_shown(callboard.database, shown)
    starts = [(id, float(at)) for at, id in (line.split() for line in callboard.lines("starts"))]
    seconds: dict[State, list[float]] = {}
    with callboard.database.read() as session:
        for id, finished_at in session.execute(select(Job.id, Job.finished_at)):
            state, at = asked[id]
            assert finished_at is not None
            seconds.setdefault(state, []).append(max(0.0, finished_at.timestamp() - at))
    return Cancelled(_states(callboard.database), len(starts), [(id, at - shown[id]) for id, at in starts if at > shown[id]], seconds)


@dataclass
class Limited:
    """Actors that cannot be stopped, and their neighbours."""

    seconds: dict[str, float]  # actor -> length of its attempt
    errors: set[str]
    slots_back_s: float  # from their start until every thread of the worker was in use again
    left: list[int]  # processes that outlived them
    neighbours: Counter[str]
    doubled: int
    workers: int

    def lines(self) -> list[str]:
        return [
            *(f"{actor}: ended after {seconds:.1f} s" for actor, seconds in self.seconds.items()),
            f"why: {', '.join(self.errors)}",
            f"all slots in use again {self.slots_back_s:.1f} s after the start; processes left: {len(self.left)}; workers alive: {self.workers}",
            f"neighbours: {dict(self.neighbours)}, doubled {self.doubled}",
        ]


def limited(callboard: Callboard, *, neighbours: int = 200, threads: int = 6) -> Limited:
    """One worker; five bad actors with a hard limit of 5 s take five of its threads, the neighbours the others."""
    callboard.worker(threads=threads)
    callboard.ended(*callboard.send(actors.work_apart.message(0)))  # the fork server is warm
    bad = callboard.send(*(actor.message() for actor in BAD))
    good = callboard.send(*(actors.neighbour.message(number) for number in range(1, neighbours + 1)))
    eventually(lambda: len([pid for pid in callboard.lines("pids") if pid]) >= len(BAD), deadline_s=20, what="all have started")
    begun = time.monotonic()
    ends = [callboard.ended(id, within_s=20) for id in bad]
    again = callboard.send(*(actors.wait_for_a_while.message(1.5) for _ in range(threads)))
    eventually(lambda: len(callboard.lines("started")) == threads, deadline_s=20, what="every thread is in use again")
    slots_back_s = time.monotonic() - begun
    assert [callboard.ended(id).state for id in again] == [State.SUCCEEDED] * threads
    states = Counter(callboard.ended(id).state.value for id in good)
    noted = callboard.lines("neighbours")
    return Limited(
        {str(job.actor): _length(job) for job in ends},
        {str(job.error) for job in ends},
        slots_back_s,
        [int(pid) for pid in callboard.lines("pids") if is_running(int(pid))],
        states,
        len(noted) - len(set(noted)),
        callboard.alive(),
    )


@dataclass
class Poisoned:
    """A job that kills its worker, and the jobs beside it."""

    reason: str
    attempts: int
    seconds: float  # from its first start to its end, the worker's restarts included
    others: Counter[str]
    doubled: int

    def lines(self) -> list[str]:
        return [
            f"dead after {self.attempts} attempts and {self.seconds:.1f} s: {self.reason}",
            f"others: {dict(self.others)}, doubled {self.doubled}",
        ]


def poisoned(callboard: Callboard, *, others: int = 50, lease_duration: float = 6.0) -> Poisoned:
    """A worker that is started again whenever it has died, and one beside it for the others."""
    victim = callboard.worker(threads=2, queues=["poison"], lease_duration=lease_duration)
    callboard.worker(threads=2, queues=["good"], lease_duration=lease_duration)
    (id,) = callboard.send(actors.kill_the_worker.message())
    good = callboard.send(*(actors.neighbour.message(number) for number in range(others)))

    def dead() -> bool:
        victim.keep_running()
        return callboard.job(id).state is State.DEAD

    eventually(dead, deadline_s=90, interval_s=0.1, what="the job is dead")
    job = callboard.job(id)
    assert job.finished_at is not None
    states = Counter(callboard.ended(each).state.value for each in good)
    noted = callboard.lines("neighbours")
    seconds = (job.finished_at - job.attempts[0].started_at).total_seconds()
    return Poisoned(str(job.reason), len(job.attempts), seconds, states, len(noted) - len(set(noted)))


@dataclass
class Hung:
    """An actor that holds the interpreter of its worker."""

    reason: str = ""
    seconds: dict[str, float] = field(default_factory=dict)  # event -> seconds

    def lines(self) -> list[str]:
        return [f"said: {self.reason}", *(f"{what} after {seconds:.1f} s" for what, seconds in self.seconds.items())]


def hung(callboard: Callboard) -> Hung:
    """One worker with the settings as delivered, started again whenever it has died."""
    worker = callboard.worker(threads=2, queues=["poison"])
    callboard.worker(threads=1, queues=["good"])  # its relay looks for expired leases
    (id,) = callboard.send(actors.hold_the_interpreter.message())
    eventually(lambda: callboard.lines("held") == ["1"], deadline_s=20)
    begun, pid, found = time.monotonic(), worker.pid, Hung()

    def note(what: str, happened: Callable[[], object]) -> None:
        eventually(happened, deadline_s=60, interval_s=0.05, what=what)
        found.seconds[what] = time.monotonic() - begun

    def said() -> bool:
        with callboard.database.read() as session:
            found.reason = stalled(session).get(id, "")
        return bool(found.reason)

    note("shown as stalled", said)
    note("given to the next attempt", lambda: callboard.job(id).attempts)
    note("worker killed", lambda: not is_running(pid))

    def succeeded() -> bool:
        worker.keep_running()
        return callboard.job(id).state is State.SUCCEEDED

    note("done by another attempt", succeeded)
    return found


@dataclass
class Logged:
    """Lines that say when they were printed."""

    in_sql: list[float]
    in_stream: list[float]

    def lines(self) -> list[str]:
        return [f"from print to SQL {_spread(self.in_sql)}", f"from print to an open stream {_spread(self.in_stream)}"]


def logged(callboard: Callboard, *, jobs: int = 4) -> Logged:
    """Some jobs print the instant; streams of the web front end are read as a browser reads them."""
    from tests.harness.breakable import submitters_token

    callboard.worker(threads=jobs)
    url = callboard.web()
    token = submitters_token()
    ids = callboard.send(*(actors.tell_the_time.message(8.0) for _ in range(jobs)))
    streamed: list[float] = []
    readers = [threading.Thread(target=_read_stream, args=(f"{url}/api/v1/jobs/{id}/events", token, streamed)) for id in ids]
    for reader in readers:
        reader.start()
    stored: dict[tuple[str, int], float] = {}
    while any(reader.is_alive() for reader in readers):
        for id in ids:
            for attempt, number, _, text in callboard.log_of(id):
                if attempt == 1 and (id, number) not in stored:
                    stored[id, number] = time.time() - float(text)
        time.sleep(0.02)
    return Logged(list(stored.values()), streamed)


def _read_stream(address: str, token: str, seconds: list[float]) -> None:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        event = ""
        for raw in answer:
            name, _, value = raw.decode().strip().partition(": ")
            if name == "event":
                event = value
            elif name == "data" and event == "lines":
                seconds += [time.time() - float(line["text"]) for line in json.loads(value)["lines"]]
            elif name == "data" and event == "done":
                return


def _cancel_all(callboard: Callboard, ids: list[str], asked: dict[str, tuple[State, float]]) -> None:
    for id in ids:
        with callboard.database.write() as session:
            state = session.execute(select(Job.state).where(Job.id == id)).scalar_one()
            asked[id] = (state, time.time())
            ask_to_cancel(session, id)


def _note_shown(database: Database, shown: dict[str, float]) -> None:
    """Note for each job when it was first seen as cancelled: a moment after the read, so never too early."""
    with database.read() as session:
        found = session.execute(select(Job.id).where(Job.state == State.CANCELLED)).scalars().all()
    at = time.time()
    for id in found:
        shown.setdefault(id, at)
    time.sleep(0.05)


def _states(database: Database) -> dict[State, int]:
    with database.read() as session:
        return {row[0]: row[1] for row in session.execute(select(Job.state, func.count()).group_by(Job.state))}


def _length(job: Job) -> float:
    return (job.attempts[0].finished_at - job.attempts[0].started_at).total_seconds()


def _spread(seconds: Iterable[float]) -> str:
    found = sorted(seconds)
    if not found:
        return "(none)"
    return f"p50 {statistics.median(found):.2f} s, p99 {percentile(found, 0.99):.2f} s, longest {found[-1]:.2f} s ({len(found)})"


class Report(Protocol):
    """Figures of a show."""

    def lines(self) -> list[str]: ...


SHOWS: dict[str, Callable[..., Report]] = {"cancel": cancelled, "limits": limited, "poison": poisoned, "hang": hung, "logs": logged}


def main() -> None:
    from tests.harness.breakable import breakable

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("show", choices=sorted(SHOWS))
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    chosen = parser.parse_args()
    with breakable(chosen.store, actors="tests.actors.isolation") as callboard:
        report = SHOWS[chosen.show](callboard)
    print(f"{chosen.show} on {chosen.store} at {datetime.now().astimezone():%Y-%m-%d %H:%M}", *report.lines(), sep="\n  ")


if __name__ == "__main__":
    main()
