"""Scheduler process: APScheduler waits for due times, SQL decides which ticks fire. Also runs a relay."""

from __future__ import annotations

import logging
import random
import sys
import threading
import time
from datetime import timedelta
from functools import partial
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.blocking import BlockingScheduler

from .. import actors, migrations
from ..actors.notifications import fleet_watch
from ..broker.core import signals
from ..broker.core.log_throttle import LogThrottle
from ..broker.core.signals import StopSignals
from ..broker.core.supervision import Guard, Progress, Supervised
from ..broker.options import periodic
from ..broker.options.limits import policies_of
from ..broker.publish.publisher import get_publisher
from ..broker.recover.heartbeat import Beat
from ..broker.recover.relay import Relay
from ..jobs.leases.heartbeats import Role
from ..jobs.upkeep import row_counting
from ..jobs.upkeep.retention import Sweep
from ..logs import configure_logs, get_logger
from ..schedules.rows import queries
from ..schedules.rows.makers import Maker
from ..schedules.ticks import ticks
from ..sql.clock import now
from ..sql.database import get_database, read, write
from ..sql.outages import is_outage
from ..telemetry import metering, tracing
from . import housekeeping, tick_follower
from .apscheduler_adapter import InThisThread, TickTrigger, host_time
from .housekeeping import Chore
from .pulse import Pulse

log = get_logger(__name__)

#: poll interval in seconds: the delay until an edit takes effect, or until a tick of a killed scheduler fires
LOOK_S = 0.4
#: horizon: schedules due later are not yet given to APScheduler
AHEAD = timedelta(minutes=2)
#: difference of wall and monotonic clock that means a clock change or a suspended host
CLOCK_SET_S = 0.25
#: tolerated difference between APScheduler and the row
CLOSE = timedelta(milliseconds=1)
#: seconds until a tick that another scheduler had locked is checked again
SOON_S = 0.1
#: seconds to skip a schedule after an unexpected error
LEFT_ALONE_S = 5.0
#: maximum concurrent chores; each has a thread
CHORES = 5
#: seconds between comparisons with PostgreSQL's clock
CHECK_CLOCK_S = 5.0


class Clock(BlockingScheduler):  # type: ignore[misc]
    """APScheduler loop that never waits longer than one poll interval.

    Stock APScheduler computes one long wait: a clock change or a suspended host would make it hours late.
    """

    def __init__(self, make: Maker) -> None:
        super().__init__(
            timezone="UTC",
            jobstores={"default": MemoryJobStore(), "ticks": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(CHORES), "ticks": InThisThread(self.fire)},
            job_defaults={"coalesce": True, "misfire_grace_time": None},
        )
        self._make = make
        self.stopping = threading.Event()
        self._looked_at = 0.0
        self._soon: dict[str, queries.Due] = {}  # the schedules within the horizon, by id
        self._marks: list[tuple[int, int, int]] | None = None  # those of `_soon`
        self._left_alone: dict[int, float] = {}  # schedule -> until when
        self._clock_checked_at = time.monotonic()
        self._drift = time.time() - time.monotonic()
        self.progress = Progress()
        self.guard: Guard | None = None
        self.beat = Beat(Role.SCHEDULER)
        self._pulse = Pulse()
        self._causes, self._of_schedules = LogThrottle(), LogThrottle()

    def stop(self) -> None:
        """End the loop; callable in any thread, not in a signal handler."""
        self.stopping.set()
        if self._event is not None:
            self.wakeup()

    def look(self) -> None:
        """Sync APScheduler with the rows that are due within the horizon."""
        self._looked_at = time.monotonic()
        horizon = now() + AHEAD
        marks = get_database().direct.read(lambda one: queries.due_marks(one, horizon))
        if marks != self._marks:
            with read() as session:
                self._soon = {str(one.id): one for one in queries.due_before(session, horizon)}
            self._marks = marks
        soon = self._soon
        for job in self.get_jobs("ticks"):
            if job.id not in soon:
                self.remove_job(job.id, "ticks")
        for one in soon.values():
            try:
                self._wait_for(one)
            except Exception as error:  # noqa: BLE001 - one schedule that cannot be waited for must not keep the others from their ticks
                self._of_schedules.failed(
                    log, error, waits="schedule_waits_for_sql", broke="schedule_failed", about=f"{one.id}: ", schedule_id=one.id
                )
        meters = metering.active()
        if meters is not None:
            meters.polled()

    def fire(self, id: int) -> None:
        """Fire the due ticks of a schedule; a failed one is retried at the next poll."""
        if time.monotonic() < self._left_alone.get(id, 0.0):
            return
        try:
            with write() as session:
                fired = ticks.fire(session, id, self._make)
        except Exception as error:  # noqa: BLE001 - retried at the next poll
            self._of_schedules.failed(log, error, waits="tick_waits_for_sql", broke="tick_failed", about=f"{id}: ", schedule_id=id)
            if not is_outage(error):
                self._left_alone[id] = time.monotonic() + LEFT_ALONE_S
            return
        self.progress.step()
        self._of_schedules.passed(about=f"{id}: ")
        if not fired:
            # Another scheduler holds the lock, and may be killed before it fires.
            self._looked_at = min(self._looked_at, time.monotonic() - LOOK_S + SOON_S)
        meters = metering.active()
        for one in fired:
            late_s = (now() - one.due_at).total_seconds()
            if meters is not None:
                meters.tick(one.state.value, late_s)
            late_ms = round(late_s * 1000)
            log.info("tick", schedule_id=id, state=one.state.value, job_id=one.job_id, late_ms=late_ms)

    def _wait_for(self, one: queries.Due) -> None:
        due, job = host_time(one.due_at), self.get_job(str(one.id), "ticks")
        if job is not None and job.name == one.mark:
            if job.next_run_time is None or abs(job.next_run_time - due) > CLOSE:
                job.modify(next_run_time=due)
            return
        self.add_job(
            _nothing, TickTrigger(one.rule), id=str(one.id), name=one.mark, next_run_time=due, jobstore="ticks", executor="ticks",
            replace_existing=True,
        )  # fmt: skip

    def _main_loop(self) -> None:
        wait_s: float | None = 0.0
        while not self.stopping.is_set():
            until_look = max(0.0, self._looked_at + LOOK_S - time.monotonic())
            self._event.wait(until_look if wait_s is None else min(wait_s, until_look))
            self._event.clear()
            self.progress.step()
            if self.guard is not None:
                self.guard.check()
            self._mind_the_clock()
            if time.monotonic() >= self._looked_at + LOOK_S:
                self._try_to_look()
            wait_s = self._process_jobs()

    def _try_to_look(self) -> None:
        try:
            self.look()
            self.beat.beat()  # last: a scheduler that cannot read its schedules must not send heartbeats
            self._pulse.beat()
            self._causes.passed()
        except Exception as error:  # noqa: BLE001 - retried at the next poll
            if is_outage(error):
                self._pulse.beat()  # it hangs no more than one that waits for work
            self._causes.failed(log, error, waits="clock_waits_for_sql", broke="clock_failed")
        # Jitter, so that the schedulers of a fleet do not poll in step.
        self._looked_at -= LOOK_S * random.uniform(0.0, 0.2)

    def _mind_the_clock(self) -> None:
        """Compare with PostgreSQL's clock periodically, and immediately after a local clock change."""
        drift, self._drift = self._drift, time.time() - time.monotonic()
        was_set = abs(self._drift - drift) > CLOCK_SET_S
        if not was_set and time.monotonic() < self._clock_checked_at + CHECK_CLOCK_S:
            return
        self._clock_checked_at = time.monotonic()
        try:
            get_database().check_clock()
        except Exception as error:
            if not is_outage(error):
                raise
            self._causes.failed(log, error, waits="clock_waits_for_sql", broke="clock_failed")
        if was_set:
            log.warning("clock_was_set", seconds=round(self._drift - drift, 3))
            self._looked_at = 0.0


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    configure_logs()
    if problem := migrations.problem():
        log.critical("scheduler_cannot_start", detail=problem)
        sys.exit(1)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it logs every added job
    tracing.start("scheduler")
    metering.start("scheduler")
    broker = actors.broker
    make = periodic.maker(broker)
    clock = Clock(make)

    StopSignals().call(clock.stop)
    signals.reset_in_children()
    relay = Relay()
    relay.start()
    follower = tick_follower.Follower(make).loop()
    follower.start()
    chores = (
        Chore("tidy", partial(housekeeping.tidy, Sweep(), clock.stopping), every_s=housekeeping.TIDY_S, may_take_s=housekeeping.CLEAN_UP_S),
        Chore("keep_up", housekeeping.KeepUp(), every_s=housekeeping.KEEP_UP_S),
        Chore("count_rows", housekeeping.count_rows, every_s=row_counting.EVERY_S),
        Chore("watch", fleet_watch.check, every_s=fleet_watch.CHECK_S),
        Chore("forecasts", partial(housekeeping.sample_forecasts, policies_of(broker)), every_s=housekeeping.FORECASTS_S),
        Chore("tidy_files", housekeeping.tidy_files, every_s=housekeeping.TIDY_FILES_S, may_take_s=housekeeping.CLEAN_UP_S),
    )
    for chore in chores:
        clock.add_job(chore, "interval", seconds=chore.every_s, id=chore.name)
    housekeeping.register(broker, make, clock.stopping)
    mine = Supervised("clock", threading.current_thread(), clock.progress)
    guard = Guard(
        lambda: [
            mine,
            *follower.threads(),
            *(thread for chore in chores for thread in chore.threads()),
            *relay.threads(),
            *get_publisher().threads(),
        ]
    )
    guard.start()
    clock.guard = guard
    log.info("scheduler_ready", actors=len(broker.actors))
    clock.start()
    guard.close()
    clock.shutdown(wait=False)
    follower.close()
    relay.close()
    clock.beat.sign_off()
    broker.close()
    tracing.stop()
    metering.stop()
    log.info("scheduler_stopped")


def _nothing(*_: Any) -> None:
    """Placeholder job function; the executor fires instead."""
