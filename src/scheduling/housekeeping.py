"""Housekeeping of a scheduler process: sync declared schedules at startup, then periodic clean-up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from threading import Event

from dramatiq.broker import Broker
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..audit import retention as audit_retention
from ..broker.core.background import Turns
from ..broker.core.supervision import Supervised
from ..broker.options import periodic
from ..broker.process import memory
from ..jobs.alerts import alerts
from ..jobs.attempts import stacks
from ..jobs.batches import batches
from ..jobs.core.guards import guarded
from ..jobs.failures import counting
from ..jobs.files import references, result_files, uploads
from ..jobs.forecasts import forecast, records
from ..jobs.leases import heartbeats
from ..jobs.leases.workers import forget_old
from ..jobs.limits.policies import Policy
from ..jobs.read.row_counts import Subject
from ..jobs.search import texts
from ..jobs.upkeep import (
    activity,
    actor_weeks,
    ended_counts,
    job_totals,
    queue_samples,
    retention,
    row_counting,
    usage_counts,
    worker_samples,
)
from ..jobs.upkeep.retention import Sweep
from ..logs import get_logger
from ..mail import deliveries
from ..schedules.edit import declared_schedules
from ..schedules.rows import retention as ticks_retention
from ..schedules.rows.makers import Maker
from ..settings import get_settings
from ..sql.database import get_database, read, write
from ..sql.outages import is_outage, log_outage

log = get_logger(__name__)

#: seconds between clean-ups
TIDY_S = 300
#: seconds between runs of the search indexer
KEEP_UP_S = 2
#: maximum seconds of one run, so that other writers get their turn
KEEP_UP_FOR_S = 1.0
#: seconds between scans for orphaned result files
TIDY_FILES_S = 3_600
#: seconds between samples of forecasts
FORECASTS_S = 10
#: seconds that retention may go on in one clean-up
PRUNE_FOR_S = TIDY_S * 0.9
#: retention rests for so many times as long as it worked: workers shall not notice it
REST = 20
#: seconds between attempts to reach the database at startup
AGAIN_S = 1.0


#: seconds after which a chore's thread counts as stuck; the first clean-up may delete for long
CHORE_S, CLEAN_UP_S = 300.0, 7_200.0


class Chore:
    """A periodic task with its own thread, so that a slow or failing one does not delay the others."""

    def __init__(self, name: str, do: Callable[[], None], *, every_s: float, may_take_s: float = CHORE_S) -> None:
        self.name, self.every_s = name, every_s
        self._turns, self._may_take_s = Turns(name, do, log), may_take_s
        self._thread: threading.Thread | None = None

    def threads(self) -> list[Supervised]:
        """The thread that the watchdog supervises, once it has started."""
        return [] if self._thread is None else [Supervised(self.name, self._thread, self._turns.progress, self._may_take_s)]

    def __call__(self) -> None:
        """Run once; log each distinct error once."""
        self._thread = threading.current_thread()
        self._turns.run()
        self._turns.progress.waits()


def register(broker: Broker, make: Maker, stopping: Event) -> None:
    """Sync the schedule rows with this deploy's code and mark broken ones; waits for the database."""
    while not stopping.is_set():
        try:
            with write() as session:
                declared_schedules.synchronise(session, periodic.declarations(broker), set(broker.actors), periodic.complete_owners)
                broken = declared_schedules.judge(session, make)
        except Exception as error:
            if not is_outage(error):
                raise
            log_outage(log, "scheduler_waits_for_sql", error)
            stopping.wait(AGAIN_S)
            continue
        if broken:
            log.warning("schedules_broken", number=broken)
        return


def tidy(sweep: Sweep | None = None, stopping: Event | None = None) -> None:
    """Delete expired rows in short transactions, check the database's clock, and give freed memory back. `sweep`: where retention goes on."""
    try:
        get_database().check_clock()
        for prune in (
            forget_old, heartbeats.forget_old, retention.tidy, batches.prune, ticks_retention.prune, audit_retention.prune, alerts.prune, stacks.prune,
            ended_counts.prune, records.prune, usage_counts.prune, worker_samples.prune,
        ):  # fmt: skip
            with guarded("not_pruned", what=prune.__module__), write() as session:
                prune(session)
        with guarded("not_kept_up", what=job_totals.__name__):
            _keep_up(job_totals.fill_older, job_totals.AT_ONCE)
        with guarded("not_kept_up", what=actor_weeks.__name__):
            _keep_up(actor_weeks.fill, actor_weeks.AT_ONCE)
        _prune(sweep or Sweep(), stopping or Event())
        memory.give_back()
    except Exception as error:
        if not is_outage(error):
            raise
        log_outage(log, "tidy_waits_for_sql", error)


def _prune(sweep: Sweep, stopping: Event) -> None:
    until = time.monotonic() + PRUNE_FOR_S
    sweep.resume()
    while not sweep.is_through and not stopping.is_set() and time.monotonic() < until:
        begun = time.monotonic()
        with write() as session:
            retention.prune(session, sweep=sweep)
        if not sweep.is_through:
            stopping.wait((time.monotonic() - begun) * REST)


class KeepUp:
    """Turns of the chore `keep_up`, which ask one question while nothing happens."""

    def __init__(self) -> None:
        self._seen: activity.Mark | None = None

    def __call__(self) -> None:
        try:
            mark = get_database().direct.read(activity.mark)
            if mark is None or mark != self._seen:
                self._seen = mark if keep_up() else None
        except Exception as error:
            if not is_outage(error):
                raise
            log_outage(log, "search_waits_for_sql", error)


def keep_up() -> bool:
    """Index the texts of new jobs, group new failures, count ended jobs, sum what they have used, and sample queues and workers.

    Return True if nothing is left to do. Raises the database's outages.
    """
    notes: list[tuple[Callable[[Session], int], int]] = [
        (texts.write_new, texts.AT_ONCE),
        (counting.note_new, counting.AT_ONCE),
        (queue_samples.sample, 1),
        (worker_samples.sample, 1),
        (usage_counts.count_new, usage_counts.AT_ONCE),
    ]
    complete = 0
    with guarded("not_kept_up", what=ended_counts.__name__):
        complete += _count_ended()
    for note, at_once in notes:
        with guarded("not_kept_up", what=note.__module__):
            complete += _keep_up(note, at_once)
    return complete == 1 + len(notes)


def count_rows() -> None:
    """Count the rows of tables that are too long to be counted on a request, unless another scheduler has a moment ago."""
    try:
        with read() as session:
            found = row_counting.count(session, {Subject.DELIVERIES: deliveries.whole_counts}) if row_counting.is_due(session) else {}
        if found:
            with write() as session:
                row_counting.store(session, found)
    except IntegrityError:
        log.debug("another_scheduler_was_faster")
    except Exception as error:
        if not is_outage(error):
            raise
        log_outage(log, "counting_waits_for_sql", error)


def _count_ended() -> bool:
    until, is_last = time.monotonic() + KEEP_UP_FOR_S, False
    while not is_last and time.monotonic() < until:
        with read() as session:
            counted = ended_counts.gather(session)
        with write() as session:
            ended_counts.store(session, counted)
        is_last = counted.is_last
    return is_last


def _keep_up(note: Callable[[Session], int], at_once: int) -> bool:
    until, noted = time.monotonic() + KEEP_UP_FOR_S, at_once
    try:
        while noted == at_once and time.monotonic() < until:
            with write() as session:
                noted = note(session)
    except IntegrityError:
        log.debug("another_scheduler_was_faster")  # conflict on the same rows; the next run continues
        return False
    return noted < at_once


def sample_forecasts(policies: Mapping[str, Policy]) -> None:
    """Judge forecasts whose jobs have ended, and record some new ones."""
    try:
        with write() as session:
            forecast.sample(session, policies)
    except Exception as error:
        if not is_outage(error):
            raise
        log_outage(log, "forecasts_wait_for_sql", error)


def tidy_files() -> None:
    """Delete orphaned result files of crashes, and uploads unused for CALLBOARD_KEEP_UPLOADS."""
    before = time.time() - get_settings().keep_uploads * 86_400
    try:
        uploads.clear_up(before)
        if old := uploads.old(before):
            with read() as session:
                used = references.used(session)
            if gone := uploads.prune(old, used, before):
                log.info("uploads_deleted", files=gone)
        for names in result_files.kept():
            with read() as session:
                unnamed = result_files.unnamed(session, names)
            result_files.delete(unnamed)
            if unnamed:
                log.info("results_without_a_job_deleted", files=len(unnamed))
    except Exception as error:
        if not is_outage(error):
            raise
        log_outage(log, "tidy_waits_for_sql", error)
