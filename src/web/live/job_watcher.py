"""Job watcher: one thread per web process polls all watched jobs and logs, and feeds the open streams.

Database load depends on the number of watched jobs, not of viewers. The thread starts with the first
stream and ends with the last.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ...jobs.attempts import attempt_logs
from ...jobs.attempts.attempt_logs import Place
from ...jobs.core.states import State
from ...jobs.leases.stalled import stalled
from ...jobs.read import queries
from ...logs import get_logger
from ...operations.jobs.rows import Job, LogLine
from ...sql import database, outages
from .stream_room import StreamRoom

log = get_logger(__name__)

#: poll interval in seconds
LOOK_INTERVAL_S = 0.3
#: log lines per query
LINES_AT_ONCE = 1_000
#: seconds between keep-alive comments; a closed connection is noticed at the second one
HEARTBEAT_S = 5.0
#: maximum seconds of a stream; then the browser reconnects and is authorised again. Below a minute, because nothing else ends
#: a stream whose reader is gone behind a proxy or in a suspended laptop
MAX_AGE_S = 45.0
#: jitter of that lifetime, so that streams opened together do not reconnect together
SPREAD = 0.2
#: maximum open streams per web process: each holds a thread (src/up/gunicorn_conf.py), and some must stay free. Further clients poll
MAX_STREAMS = 56


@dataclass(frozen=True, slots=True)
class News:
    """Updates that a stream has not sent yet: the job, if it has changed, and its new log lines."""

    job: Job | None
    lines: list[LogLine]
    after: Place  # log position before these lines


class Watch:
    """One stream's view of one job."""

    def __init__(self, id: str, after: Place | None = None) -> None:
        self.id = id
        self.read_until = after  # log position handed over by the watcher; None: no lines wanted
        self._sent_until = after or attempt_logs.START
        self._changed = threading.Condition()
        self._job: Job | None = None
        self._lines: list[LogLine] = []

    def next(self, timeout: float) -> News | None:
        """Wait for an update; None after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._job is not None or bool(self._lines), timeout):
                return None
            news = News(self._job, self._lines, self._sent_until)
            if self._lines:
                self._sent_until = _place(self._lines[-1])
            self._job, self._lines = None, []
            return news

    def tell(self, job: Job) -> None:
        """Hand over the newest state; replaces an undelivered one."""
        with self._changed:
            self._job = job
            self._changed.notify()

    def say(self, lines: list[LogLine]) -> None:
        """Append log lines to the undelivered ones."""
        with self._changed:
            self.read_until = _place(lines[-1])
            self._lines += lines
            self._changed.notify()


class Tailer:
    """The watcher thread and its streams."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._room = StreamRoom()
        self._watches: dict[Watch, object] = {}  # last state sent per stream
        self._running = False

    @contextmanager
    def watch(self, id: str, *, after: Place | None = None) -> Iterator[Watch]:
        """Watch a job, and its log after that position; the current state comes first. Raises TooManyStreams."""
        watch = Watch(id, after)
        with self._room.enter(MAX_STREAMS):
            with self._lock:
                self._watches[watch] = None
                if not self._running:
                    self._running = True
                    threading.Thread(target=self._look_on, name="tailer", daemon=True).start()
            try:
                yield watch
            finally:
                with self._lock:
                    del self._watches[watch]

    def _look_on(self) -> None:
        while True:
            with self._lock:
                if not self._watches:
                    self._running = False
                    return
                watches = dict(self._watches)
            self._look(watches)
            time.sleep(LOOK_INTERVAL_S)

    def _look(self, watches: dict[Watch, object]) -> None:
        try:
            with database.read() as session:
                found = {each.id: each for each in queries.snapshots(session, {watch.id for watch in watches})}
                running = [each.id for each in found.values() if each.state is State.RUNNING]
                why = stalled(session, running) if running else {}
                looks = {each.id: (each, why.get(each.id)) for each in found.values()}
                changed = {watch.id for watch, sent in watches.items() if looks.get(watch.id, sent) != sent}
                jobs = queries.find_many(session, changed) if changed else []
                # Read lines after states: an attempt's lines are committed no later than its end, so none is missed.
                _read_lines(session, [(found[watch.id].seq, watch) for watch in watches if watch.id in found])
        except SQLAlchemyError as error:
            # Keep the streams open: updates follow when the database is back.
            outages.log_outage(log, "tailer_database_away", error)
            return
        outages.outage_over("tailer_database_away")
        for job in jobs:
            for watch in watches:
                if watch.id == job.id:
                    self._tell(watch, job, looks[job.id])

    def _tell(self, watch: Watch, job: Job, looks: object) -> None:
        with self._lock:
            if self._watches.get(watch, looks) == looks:
                return  # no changes, or no watches left
            self._watches[watch] = looks
        watch.tell(job)


def _read_lines(session: Session, watches: list[tuple[int, Watch]]) -> None:
    """Hand each watch its new log lines: one query for all, further ones only for long logs."""
    while True:
        after: dict[int, Place] = {}
        for seq, watch in watches:
            if watch.read_until is not None:
                after[seq] = min(after.get(seq, watch.read_until), watch.read_until)
        lines = attempt_logs.read_many(session, after, limit=LINES_AT_ONCE)
        for seq, watch in watches:
            until = watch.read_until
            new = [line for line in lines if line.job_seq == seq and until is not None and _place(line) > until]
            if new:
                watch.say(new)
        if len(lines) < LINES_AT_ONCE:
            return


tailer = Tailer()


def follow(watch: Watch) -> Iterator[News | None]:
    """Yield updates until the job is final or the stream expires; None: send a keep-alive."""
    deadline = time.monotonic() + lifetime()
    while (left := deadline - time.monotonic()) > 0:
        news = watch.next(min(HEARTBEAT_S, left))
        yield news
        if news is not None and news.job is not None and news.job.state.is_final:
            return


def lifetime() -> float:
    """Lifetime of a new stream in seconds, with jitter."""
    return MAX_AGE_S * random.uniform(1 - SPREAD, 1)


def _place(line: LogLine) -> Place:
    return Place(line.attempt, line.number)
