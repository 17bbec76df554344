"""The metrics of one process, in base units; each role registers only its own."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from ... import __version__

#: seconds: from an actor that adds two numbers to one that runs for an hour
ATTEMPT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)
#: seconds: a commit waits for the disk, or for another commit
COMMIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
#: seconds: a tick is rarely later than the next poll
LATENESS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0)


class Meters:
    """The metrics of one process. Every method may be called from any thread."""

    def __init__(self, role: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # an unused extra series for each
        self.registry = self._all = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Gauge("callboard_process_info", "Role and version of this process.", ["role", "version"], registry=self._all).labels(
            role, __version__
        ).set(1)
        if role == "worker":
            self._of_a_worker()
        else:
            self._of_a_scheduler()

    def _of_a_worker(self) -> None:
        self._attempts = Histogram(
            "callboard_attempt_duration_seconds", "Duration of attempts by outcome.", ["actor", "outcome"], registry=self._all, buckets=ATTEMPT_BUCKETS
        )  # fmt: skip
        self._claims = Counter("callboard_claims", "Consumed messages by outcome.", ["queue", "result"], registry=self._all)
        self._commits = Histogram(
            "callboard_commit_duration_seconds", "Duration of commits of finished attempts, per batch.", registry=self._all, buckets=COMMIT_BUCKETS
        )  # fmt: skip
        self._ends = Counter("callboard_committed_ends", "Finished attempts that were committed.", registry=self._all)
        self._prefetched = Gauge("callboard_prefetched_jobs", "Claimed jobs that wait for a thread.", registry=self._all)
        self._threads = Gauge("callboard_threads", "Actor threads.", registry=self._all)
        self._busy = Gauge("callboard_threads_busy", "Actor threads that run a job.", registry=self._all)

    def _of_a_scheduler(self) -> None:
        self._ticks = Counter("callboard_ticks", "Ticks of schedules decided by this process, by outcome.", ["state"], registry=self._all)
        self._lateness = Histogram(
            "callboard_tick_lateness_seconds", "Delay between a tick's due time and its decision.", registry=self._all, buckets=LATENESS_BUCKETS
        )  # fmt: skip
        self._looks = Counter("callboard_schedule_looks", "Polls of the schedules that are due soon.", registry=self._all)

    def watch(self, *, threads: int, busy: Callable[[], int], prefetched: Callable[[], int]) -> None:
        """Call these functions at each scrape."""
        self._threads.set(threads)
        self._busy.set_function(busy)
        self._prefetched.set_function(prefetched)

    def attempt(self, actor: str, outcome: str, seconds: float) -> None:
        """Count an attempt that has ended."""
        self._attempts.labels(actor, outcome).observe(seconds)

    def claimed(self, queue: str, *, claimed: int, dropped: int) -> None:
        """Count consumed messages: those claimed, and those that only needed an ack."""
        self._claims.labels(queue, "claimed").inc(claimed)
        self._claims.labels(queue, "dropped").inc(dropped)

    def committed(self, ends: int, seconds: float) -> None:
        """Record one batch of committed attempts."""
        self._commits.observe(seconds)
        self._ends.inc(ends)

    def polled(self) -> None:
        """Record a poll of the due schedules."""
        self._looks.inc()

    def tick(self, state: str, late_seconds: float) -> None:
        """Count a tick that was fired or missed, and how late."""
        self._ticks.labels(state).inc()
        self._lateness.observe(max(0.0, late_seconds))
