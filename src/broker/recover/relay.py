"""The relay: publishes jobs that are due, that were committed but never confirmed, or that lost their worker.

It runs as a thread of every worker and scheduler process; any number may run, since each skips rows that others have
locked. It sleeps until the next due instant in SQL, but not for long, because a row written meanwhile may be due sooner:
the relays of a fleet look every `relay_interval` seconds together, and each of them as often while there is work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

import dramatiq.broker

from ...jobs.control.held import release_known, some_wait_for_code, waits_for
from ...jobs.core.guards import guarded
from ...jobs.leases import workers
from ...jobs.leases.heartbeats import Role
from ...jobs.limits import fair_queueing
from ...jobs.relay import due_jobs, lost_messages
from ...jobs.relay.due_jobs import FIRST
from ...jobs.submit import sql_requests, stand_ins
from ...logs import get_logger
from ...settings import get_settings
from ...sql.clock import now
from ...sql.database import get_database, read, write
from ...sql.direct import Direct
from ...sql.engines import dice
from ...sql.outages import is_outage
from ..consume.consumer import DEEP_PREFETCH
from ..consume.subscriptions import UNHURRIED_PREFETCH
from ..core.log_throttle import LogThrottle
from ..core.pace import Pace
from ..core.supervision import Progress, Supervised
from ..publish.publisher import hand_off
from .heartbeat import Beat
from .held_arguments import HeldArguments
from .reconciler import Reconciler
from .sql_door import SqlDoor

log = get_logger(__name__)

#: rows published in one transaction at most
BATCH_LIMIT = 500
#: seconds between two checks for silent workers
WATCH_S = 1.0
#: seconds after work in which a relay looks as if it were the only one
BUSY_S = 5.0
#: seconds between two polls of one relay at most, however large the fleet
SELDOM_S = 5.0
#: longer than a pause between two polls: rows that are due later are found by the next one
AHEAD = timedelta(seconds=30)
#: age of an instant that a commit may still write; an older one is found by a scan from the beginning
LATE = timedelta(seconds=10)
#: seconds of a scan for due jobs, and of a check for silent workers, that are not worth a longer pause
FREE_SCAN_S, FREE_CHECK_S = 0.005, 0.02
#: messages of one queue that a worker may have prefetched without claiming: of normal and high priority, and a few of low
BROUGHT_AHEAD = 2 * DEEP_PREFETCH + UNHURRIED_PREFETCH


@dataclass(slots=True)
class _Found:
    """Answers to the questions of `Relay.watch`."""

    are_silent: bool = False
    are_held: bool = False
    may_go: bool = False
    some_wait: bool = False


class Relay:
    """One thread. `run_once` does all that is due now; tests call it."""

    def __init__(self) -> None:
        self._closing = threading.Event()
        self._progress = Progress()
        self._causes = LogThrottle()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._reconciler = Reconciler()
        self._fitting = HeldArguments()
        self._sql_door = SqlDoor()
        self._beat = Beat(Role.RELAY)
        self._reach, self._checks = Reach(), Pace(FREE_CHECK_S)
        self._watched = time.monotonic() - WATCH_S
        self._checked_at = now()
        self._patient_until = 0.0
        self._busy_until = 0.0

    def start(self) -> None:
        # Leases that expired while no relay was running may be about to be renewed.
        self._patient_until = time.monotonic() + get_settings().heartbeat_interval * 1.5
        self._thread.start()
        self._reconciler.start()

    def threads(self) -> list[Supervised]:
        """Return the threads that this process cannot do without."""
        return [Supervised("relay", self._thread, self._progress), *self._reconciler.threads()]

    def close(self) -> None:
        self._closing.set()
        self._reconciler.close()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._beat.sign_off()

    def run_once(self, since: datetime = FIRST) -> int:
        """Publish everything that became due since that instant; return how many messages."""
        self._submit_requests()
        published = 0
        while True:
            with write() as session:
                envelopes = due_jobs.release_due(session, BATCH_LIMIT, since=since)
                envelopes += due_jobs.take_unpublished(session, BATCH_LIMIT, since=since)
            hand_off(envelopes)
            with guarded("jobs_not_expired"), write() as session:
                due_jobs.expire(session, BATCH_LIMIT, since=since)
            published += len(envelopes)
            if len(envelopes) < BATCH_LIMIT:
                return published

    def _run(self) -> None:
        was_away = False
        while not self._closing.is_set():
            self._progress.step()  # also after an error: a row that one relay cannot process, none can
            try:
                self._beat.beat()
                self.watch()
                if was_away:
                    # Workers come first: they re-claim the last claims that a killed PostgreSQL has lost.
                    was_away = False
                    self._pause(get_settings().heartbeat_interval * 1.5)
                    continue
                instant, has_requests = self._poll()
                if has_requests:
                    self._submit_requests()
                    self._busy_until = time.monotonic() + BUSY_S
                # With jitter, so that the relays of a fleet do not poll in step.
                wait = self._share(get_settings().relay_interval) * dice.uniform(0.8, 1.2)
                if instant is not None:
                    wait = min(wait, (instant - now()).total_seconds())
                if wait > 0:
                    self._pause(wait)
                if instant is not None and instant <= now():
                    self.run_once(instant)
                    self._busy_until = time.monotonic() + BUSY_S
                self._causes.passed()
            except Exception as error:  # noqa: BLE001 - the next turn tries again
                self._causes.failed(log, error, waits="relay_waits_for_sql", broke="relay_failed")
                self._reach = Reach()
                if is_outage(error):
                    # After an outage every lease looks expired: first give the workers time to renew theirs.
                    self._be_patient()
                    was_away = True
                self._closing.wait(1.0)

    def _poll(self) -> tuple[datetime | None, bool]:
        """Return the earliest instant at which there is work, if that is soon, and whether requests of the SQL door wait."""
        with self._reach.scanning() as since:
            return get_database().direct.read(
                lambda one: (due_jobs.next_instant(one, since=since, until=now() + AHEAD), sql_requests.are_waiting(one))
            )

    def _share(self, interval_s: float) -> float:
        """Return the interval of this relay, if all living ones together keep to `interval_s`."""
        if time.monotonic() < self._busy_until:
            return interval_s
        return max(interval_s, min(interval_s * self._beat.living, SELDOM_S))

    def _submit_requests(self) -> None:
        broker = dramatiq.broker.global_broker
        if broker is not None:
            with guarded("sql_requests_wait"):
                self._sql_door.submit(broker)

    def _pause(self, seconds: float) -> None:
        self._progress.waits(seconds)
        self._closing.wait(seconds)

    def _be_patient(self) -> None:
        """Take over no jobs until every living worker has had time to renew its lease."""
        self._patient_until = time.monotonic() + get_settings().lease_duration

    def watch(self) -> None:
        """Take over the jobs of silent workers, release jobs whose actor is now known, and top up fair queues."""
        asked = time.monotonic()
        since, every_s = asked - self._watched, self._share(WATCH_S)
        if since < every_s:
            return
        before, self._checked_at, self._watched = self._checked_at, now(), asked
        if (self._checked_at - before).total_seconds() - since > get_settings().lease_duration / 2:
            # The wall clock advanced and the monotonic one did not: the host was asleep, and its workers with it.
            self._be_patient()
        found = get_database().direct.read(self._look)
        if found.are_silent:
            with guarded("silent_workers_not_watched"):
                self._take_over(max(0.0, since - every_s - WATCH_S), asked)
        if found.are_held:
            with guarded("held_jobs_not_released"):
                self._release_held()
        if found.may_go:
            with guarded("stand_ins_not_released"):
                with write() as session:
                    envelopes = stand_ins.release(session, BATCH_LIMIT)
                hand_off(envelopes)
        if found.some_wait:
            starved: list[str] = []
            with guarded("fair_share_not_topped_up"), read() as session:
                starved = fair_queueing.starved(session)
            for queue in starved:
                with guarded("fair_share_not_topped_up", queue=queue), write() as session:
                    fair_queueing.top_up(session, queue)

    def _look(self, direct: Direct) -> _Found:
        """Ask all questions of `watch` without a session: usually each answer is no."""
        found = _Found()
        with guarded("silent_workers_not_watched"):
            thorough = self._checks.is_due
            with self._checks.timing() if thorough else nullcontext():
                found.are_silent = workers.silent(direct, thorough=thorough)
        with guarded("held_jobs_not_released"):
            found.are_held = some_wait_for_code(direct)
        with guarded("stand_ins_not_released"):
            found.may_go = stand_ins.may_go(direct)
        with guarded("fair_share_not_topped_up"):
            found.some_wait = fair_queueing.some_wait(direct)
        return found

    def _release_held(self) -> None:
        with read() as session:
            known = {actor for worker in workers.alive(session) for actor in worker.actors}
            waiting = bool(known) and waits_for(session, known)
        if waiting:
            with write() as session:
                release_known(session, list(known))
        broker = dramatiq.broker.global_broker
        if broker is not None:
            self._fitting.run_once(broker)
            with guarded("actors_not_registered"):
                self._sql_door.register(broker)

    def _take_over(self, behind_s: float, asked: float) -> None:
        if time.monotonic() <= self._patient_until:
            return
        with write() as session:
            session.connection()  # SQLite: the write lock is awaited here
            # A heartbeat may have been delayed by the store for as long as this check has been.
            late = behind_s + time.monotonic() - asked
            present = now()
            taken = workers.take_over(session, grace=timedelta(seconds=late))
            again = lost_messages.publish_again_after_loss(session, present, limit=BROUGHT_AHEAD)
        if taken:
            log.warning("jobs_taken_over", jobs=taken)
        if again:
            log.warning("messages_of_lost_worker", jobs=again)


class Reach:
    """Range of a scan for due jobs: from the beginning as often as that is cheap, else from shortly before the previous one."""

    def __init__(self) -> None:
        self._pace = Pace(FREE_SCAN_S)
        self._scanned_at = FIRST

    @contextmanager
    def scanning(self) -> Iterator[datetime]:
        """Yield the instant at which the scan begins."""
        present = now()
        if self._scanned_at == FIRST or self._pace.is_due:
            with self._pace.timing():
                yield FIRST
        else:
            yield self._scanned_at - LATE
        self._scanned_at = present
