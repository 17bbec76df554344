"""A week of made-up history for the demo shop: rows of ended jobs with their attempts, in the product's own tables.

Written once, into an empty database, by bulk inserts. The counts of charts and error groups follow from these rows as
they do from real ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select

from ..actor_schema import secrets
from ..actors import broker
from ..audit import AuditEntry, Via
from ..audit import Outcome as Decision
from ..broker.options import periodic
from ..jobs.core.fingerprints import fingerprint
from ..jobs.core.models import Attempt, Job, LogLine, Worker
from ..jobs.core.states import Outcome, State
from ..jobs.failures import counting
from ..schedules.edit import declared_schedules
from ..schedules.rows.models import Tick
from ..schedules.rows.vocabulary import Origin, TickState
from ..sql.clock import now
from ..sql.database import read, write
from . import goods, shop

#: how far back the history goes
WEEK = timedelta(days=7)
#: jobs of one transaction
AT_ONCE = 5_000
#: orders of a tick at each hour, in the mean one: few at night, most in the evening
HOURS = (0.3, 0.2, 0.1, 0.1, 0.1, 0.2, 0.5, 0.8, 1.0, 1.2, 1.3, 1.4, 1.4, 1.3, 1.2, 1.2, 1.3, 1.5, 1.8, 2.0, 1.9, 1.5, 1.0, 0.7)
#: how far back the schedule's page has its ticks
DAY = timedelta(days=1)
WORKERS = ("worker-1:4201", "worker-2:4202")
#: versions of the shop's code, and how many days ago each began to run
DEPLOYS = (("2026.44", 7.0), ("2026.45", 4.2), ("2026.46", 1.3))
_TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/src/shop.py", line {line}, in {actor}
    {code}
{error}
"""


@dataclass(frozen=True, slots=True)
class _Run:
    """One job of the history: what it did and how long it took."""

    actor: str
    queue: str
    args: list[Any]
    result: Any
    seconds: float
    error: str | None = None
    is_dead: bool = False


def write_history() -> int:
    """Write the week before now into a database without jobs; return the number of jobs, 0 if there were some."""
    with read() as session:
        if session.execute(select(func.count()).select_from(select(Job.seq).limit(1).subquery())).scalar_one():
            return 0
    present, dice = now(), random.Random(1)
    number = 0
    every = sorted(_jobs(dice, present), key=lambda row: row[0]["created_at"])
    for rows in (every[begin : begin + AT_ONCE] for begin in range(0, len(every), AT_ONCE)):
        jobs = [{**job, "seq": number + at} for at, (job, _) in enumerate(rows, 1)]
        attempts = [{**attempt, "job_seq": number + at} for at, (_, those) in enumerate(rows, 1) for attempt in those]
        number += len(jobs)
        with write() as session:
            session.execute(insert(Job), jobs)
            session.execute(insert(Attempt), attempts)
            session.execute(insert(LogLine), [_log_line(attempt) for attempt in attempts if attempt["error"]])
    with write() as session:
        session.execute(insert(Worker), [_worker(at, present) for at in range(len(DEPLOYS))])
        session.execute(insert(AuditEntry), list(_audit(present)))
        schedule = declared_schedules.register(session, "serve_customers", periodic.declarations(broker)["serve_customers"])
        ticks = [job for job, _ in every if job["actor"] == "serve_customers" and job["created_at"] > present - DAY]
        session.execute(insert(Tick), [_tick(schedule.id, job) for job in ticks])
    new = counting.AT_ONCE
    while new == counting.AT_ONCE:
        with write() as session:
            new = counting.note_new(session)
    return number


def _jobs(dice: random.Random, present: datetime) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    last = int(present.timestamp()) // shop.BETWEEN_S
    for slot in range(last - int(WEEK.total_seconds()) // shop.BETWEEN_S, last):
        at = datetime.fromtimestamp(slot * shop.BETWEEN_S, UTC)
        orders = [shop.number_of(slot, each) for each in range(shop.MOST) if dice.random() < HOURS[at.hour] / shop.MOST]
        yield _row(dice, _Run("serve_customers", "shop", [], {"orders": orders}, dice.uniform(0.02, 0.1)), at, present)
        for number in orders:
            for run, later in _order(dice, number):
                yield _row(dice, run, at + timedelta(seconds=later), present)


def _order(dice: random.Random, number: int) -> Iterator[tuple[_Run, float]]:
    """The jobs of one order, each with the seconds after which it is submitted."""
    order, seconds = goods.order(number), dice.uniform
    yield (
        _Run("resize_photo", "photos", [goods.photo(number), shop.WIDTHS[number % 3]], {"photo": goods.photo(number)}, seconds(0.5, 2)),
        0.1,
    )
    yield _Run("check_stock", "shop", [number, order.items], order.items, seconds(0.05, 0.3)), 0.2
    card = {"order": number, "cents": order.cents, "customer": order.customer}
    declined = f"CardDeclined: order {number}: the bank declined the card" if order.is_declined else None
    # Someone has retried most of the declined ones; the newest are left for the viewer.
    sealed = secrets.seal(f"4000 0000 {number}", "charge_card.card")
    yield _Run("charge_card", "payments", [number, order.cents, sealed], card, seconds(0.2, 0.8), declined, dice.random() < 0.4), 0.6
    silent = f"CarrierTimeout: order {number}: no answer from the carrier within 10 s" if order.is_unanswered else None
    pieces = sum(order.items.values())
    packed = {"order": number, "parcel": number * 7, "city": order.city}
    yield _Run("pack_order", "parcels", [number, order.city], packed, pieces * seconds(0.6, 1.4), silent), 1.5
    yield _Run("send_receipt", "mail", [number, order.email], {"mail": f"receipt of order {number}"}, seconds(0.05, 0.2)), 1.5


def _row(dice: random.Random, run: _Run, created: datetime, present: datetime) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The row of a job, and those of its attempts."""
    started = created + timedelta(seconds=dice.expovariate(1 / 0.15) + (dice.uniform(0, 8) if run.queue == "parcels" else 0))
    attempts = []
    if run.error:
        attempts.append(_attempt(dice, run, 1, started, min(run.seconds, 10.0), run.error))
        if not run.is_dead:
            started = attempts[0]["finished_at"] + timedelta(seconds=dice.uniform(20, 60))
    if not (run.error and run.is_dead):
        attempts.append(_attempt(dice, run, len(attempts) + 1, started, run.seconds, None))
    finished = min(attempts[-1]["finished_at"], present)
    is_dead, is_tick = bool(run.error and run.is_dead), run.actor == "serve_customers"
    return {
        "id": _id(dice, created), "actor": run.actor, "queue": run.queue, "state": State.DEAD if is_dead else State.SUCCEEDED, "args": run.args,
        "kwargs": {}, "options": {}, "priority": 0, "source": "schedule" if is_tick else "send",
        "submitted_by": f"schedule {run.actor}" if is_tick else None,
        "attempt": len(attempts), "failures": int(is_dead), "crashes": 0, "cancel_requested": False, "created_at": created, "published_at": created,
        "started_at": attempts[-1]["started_at"], "finished_at": finished, "result": None if is_dead else run.result,
        "error": run.error if is_dead else None, "reason": "CardDeclined is not retried (throws)" if is_dead else None,
    }, attempts  # fmt: skip


def _attempt(dice: random.Random, run: _Run, number: int, started: datetime, seconds: float, error: str | None) -> dict[str, Any]:
    traceback = (
        _TRACEBACK.format(line=88 if run.actor == "charge_card" else 101, actor=run.actor, code=_code(run.actor), error=error)
        if error
        else None
    )
    known = fingerprint(run.actor, error, traceback) if error else None
    return {
        "number": number, "worker": dice.choice(WORKERS), "started_at": started, "finished_at": started + timedelta(seconds=seconds),
        "outcome": Outcome.FAILED if error else Outcome.SUCCEEDED, "error": error, "traceback": traceback,
        "fingerprint": known.id if known else None, "noted": False if known else None,
    }  # fmt: skip


def _code(actor: str) -> str:
    return "answer = bank.charge(card, cents)" if actor == "charge_card" else "carrier.hand_over(parcel)"


def _id(dice: random.Random, created: datetime) -> str:
    """A UUID version 7 of that instant, as of a job that was submitted then."""
    value = (int(created.timestamp() * 1000) << 80) | (0x7 << 76) | (dice.getrandbits(12) << 64) | (0b10 << 62) | dice.getrandbits(62)
    return str(UUID(int=value))


def _log_line(attempt: dict[str, Any]) -> dict[str, Any]:
    return {
        "job_seq": attempt["job_seq"], "attempt": attempt["number"], "number": 1, "written_at": attempt["started_at"], "level": "info",
        "text": "asked, waiting for an answer",
    }  # fmt: skip


def _worker(at: int, present: datetime) -> dict[str, Any]:
    """A worker process of an earlier version, which has ended: its start marks the deploy in charts."""
    version, days = DEPLOYS[at]
    end = present - timedelta(days=DEPLOYS[at + 1][1]) if at + 1 < len(DEPLOYS) else present - timedelta(minutes=1)
    return {
        "name": WORKERS[at % 2], "host": WORKERS[at % 2].partition(":")[0], "pid": 4201 + at, "version": version, "threads": 8,
        "queues": ["shop", "payments", "parcels", "mail", "photos"], "actors": [], "started_at": present - timedelta(days=days),
        "heartbeat_at": end, "expires_at": end, "stopped_at": end, "busy": 0, "frontier": {},
    }  # fmt: skip


def _tick(schedule: int, job: dict[str, Any]) -> dict[str, Any]:
    return {
        "schedule_id": schedule, "scheduled_for": job["created_at"], "due_at": job["created_at"], "decided_at": job["created_at"],
        "origin": Origin.CLOCK, "state": TickState.SUCCEEDED, "job_id": job["id"], "finished_at": job["finished_at"], "covers": 1,
    }  # fmt: skip


def _audit(present: datetime) -> Iterator[dict[str, Any]]:
    """Actions of operators: a pause for a stocktaking, and retries of declined cards."""
    line: Callable[..., dict[str, Any]] = lambda days, who, action, **more: {  # noqa: E731
        "at": present - timedelta(days=days), "who": who, "via": Via.PAGE, "action": action, "outcome": Decision.DONE, "kind": None, "subject": None,
        "details": None, **more,
    }  # fmt: skip
    yield line(5.1, "ada", "target.pause", kind="target", subject="queue:parcels", details={"reason": "stocktaking"})
    yield line(5.0, "ada", "target.resume", kind="target", subject="queue:parcels")
    yield line(2.2, "grace", "bulk.start", details={"verb": "retry", "query": "actor:charge_card state:dead", "number": 31})
