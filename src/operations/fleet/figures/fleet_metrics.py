"""Fleet metrics: gauges read from SQL for jobs, queues, workers, schedules, alerts and recently finished jobs.

Labels are names of states, queues, actors and schedules, never ids: their number stays bounded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.orm import Session

from .... import __version__
from ....backup import health as backups
from ....broker.recover import drift
from ....jobs.alerts import alerts
from ....jobs.alerts.models import AlertKind
from ....jobs.failures import groups
from ....jobs.read import queries, statistics
from ....jobs.read.queries import QueueCounts
from ....mail import deliveries
from ....schedules.rows import queries as schedules
from ....sql.clock import now
from ....sql.database import get_database
from ....telemetry.metering.exposition import Metric, Samples, gauge
from ...people import permissions
from . import fleet_health
from .fleet_health import FleetHealth

#: window of recently finished jobs, and cache lifetime in seconds: the query reads every job of the window
LATELY, FRESH_S = timedelta(minutes=1), 15.0


def collect(session: Session) -> list[Metric]:
    """Collect every metric; those over finished jobs are cached for a few seconds."""
    health = fleet_health.look(session)
    queues = queries.queues(session)
    return [*_jobs(session, queues), *_fleet(session, health), *_lately(session), *_broker(health, queues)]


def _jobs(session: Session, queues: list[QueueCounts]) -> list[Metric]:
    counts = queries.counts_but_succeeded(session)
    ready_since, present = {each.queue: each.oldest_queued_at for each in queues if each.oldest_queued_at is not None}, now()
    return [
        gauge("callboard_jobs", "Jobs by state, without succeeded jobs.", [({"state": state.value}, number) for state, number in counts.items()]),
        gauge("callboard_queue_queued", "Queued jobs by queue.", [({"queue": each.queue}, each.queued) for each in queues]),
        gauge("callboard_queue_running", "Running jobs by queue.", [({"queue": each.queue}, each.running) for each in queues]),
        gauge(
            "callboard_queue_oldest_seconds",
            "Age of the oldest queued job by queue, counted from when it could have started.",
            [({"queue": queue}, max(0.0, (present - since).total_seconds())) for queue, since in ready_since.items()],
        ),
    ]  # fmt: skip


def _fleet(session: Session, health: FleetHealth) -> list[Metric]:
    alive, present, backed_up = health.workers, now(), backups.last_success(session)
    due = [each for each in schedules.every(session) if each.due_at is not None and each.paused_at is None]
    late = [(each.name, max(0.0, (present - each.due_at).total_seconds())) for each in due if each.due_at is not None]
    looked_at = alerts.looked_at(session)
    mails = [({"state": s.value}, n) for s, n in deliveries.counts(session).items()] if permissions.in_force() is None else []
    failing = groups.not_recovered(session)
    return [
        gauge("callboard_workers", "Worker processes with a fresh heartbeat.", [({}, len(alive))]),
        gauge("callboard_workers_silent", "Worker processes without a heartbeat that are not yet marked lost.", [({}, len(health.silent_workers))]),
        gauge("callboard_schedulers", "Scheduler processes with a fresh heartbeat.", [({}, len(health.schedulers))]),
        gauge("callboard_schedulers_silent", "Scheduler processes without a heartbeat.", [({}, len(health.silent_schedulers))]),
        gauge("callboard_relays", "Relay threads with a fresh heartbeat.", [({}, len(health.relays))]),
        gauge(
            "callboard_backup_timestamp_seconds",
            "Time of the last successful backup, in seconds since 1970.",
            [({}, backed_up.timestamp())] if backed_up else [],
        ),
        gauge("callboard_worker_threads", "Worker threads.", [({}, sum(each.threads for each in alive))]),
        gauge("callboard_worker_threads_busy", "Worker threads that run a job.", [({}, sum(each.busy for each in alive))]),
        gauge("callboard_schedule_late_seconds", "Delay of an overdue schedule.", [({"schedule": name}, by) for name, by in late]),
        gauge("callboard_error_groups", "Unresolved error groups.", [({}, failing)]),
        gauge("callboard_mail_deliveries", "Email deliveries by state.", mails),
        gauge("callboard_alert", "1 while the alert is active.", [({"kind": a.kind.value, "subject": a.subject}, 1) for a in alerts.current(session)]),
        gauge(
            "callboard_alerts_looked_at_timestamp_seconds",
            "Time of the last alert check, in seconds since 1970.",
            [({}, looked_at.timestamp())] if looked_at else [],
        ),
        gauge("callboard_build_info", "Version of the web process.", [({"version": __version__}, 1)]),
    ]  # fmt: skip


def _broker(health: FleetHealth, queues: list[QueueCounts]) -> list[Metric]:
    broker = permissions.numbers(health.broker)
    numbered = {kind: sum(each.kind is kind for each in health.troubles) for kind in AlertKind}
    drifts = {each.queue: drift.of(each.queue, each, broker) for each in queues}
    numbers = [(each, broker.queues[each]) for each in sorted(broker.queues)]
    return [
        gauge("callboard_broker_up", "1 if the web process can reach RabbitMQ.", [({}, int(broker.reachable))]),
        gauge("callboard_broker_alarms", "Memory and disk alarms of RabbitMQ, which block publishing.", [({}, numbered[AlertKind.BROKER_ALARM])]),
        gauge("callboard_broker_nodes_away", "RabbitMQ nodes that are down or do not respond.", [({}, numbered[AlertKind.NODE_AWAY])]),
        gauge("callboard_broker_ready", "Ready messages in RabbitMQ by queue.", [({"queue": name}, each.ready) for name, each in numbers]),
        gauge(
            "callboard_queue_missing_messages",
            "Queued jobs whose message is no longer in RabbitMQ, by queue.",
            [({"queue": queue}, each.missing) for queue, each in drifts.items() if each is not None],
        ),
    ]  # fmt: skip


_kept: dict[object, tuple[float, list[Metric]]] = {}
_lock = threading.Lock()


def _lately(session: Session) -> list[Metric]:
    key, present = (str(get_database().url), permissions.in_force()), time.monotonic()
    with _lock:
        for each in [each for each, (kept_at, _) in _kept.items() if present - kept_at > FRESH_S]:
            del _kept[each]
        if key not in _kept:
            _kept[key] = (present, _ended(session))
        return _kept[key][1]


def _ended(session: Session) -> list[Metric]:
    until = now()
    since = until - LATELY
    ended = statistics.by_actor(session, since, until, may_see=permissions.sight())
    by_state = [
        ({"actor": actor, "state": state.value}, number) for actor, states in sorted(ended.items()) for state, number in states.items()
    ]
    seen = None if permissions.in_force() is None else list(ended)
    runs, waits = statistics.runs(session, since, until, actors=seen), statistics.waits(session, since, until, actors=seen)
    return [
        gauge("callboard_ended_jobs", "Jobs that finished in the last minute.", by_state),
        gauge("callboard_run_seconds", "Attempt duration of jobs that finished in the last minute.", _quantiles("actor", runs)),
        gauge(
            "callboard_wait_seconds",
            "Time to the first attempt of jobs that finished in the last minute.",
            _quantiles("queue", waits),
        ),
    ]


def _quantiles(label: str, spreads: Mapping[str, statistics.Spread]) -> Samples:
    return [
        ({label: name, "quantile": quantile}, value)
        for name, each in spreads.items()
        for quantile, value in (("0.5", each.median), ("0.95", each.p95), ("1", each.longest))
    ]
