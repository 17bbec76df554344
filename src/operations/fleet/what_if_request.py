"""Forecast of a queue's backlog after a change of workers, limits or a pause: the request and its document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from ...jobs.core.errors import JobsError
from ...jobs.forecasts.backlogs import Change, WhatIf, what_if
from ...jobs.forecasts.clearing import Clearing
from ...jobs.forecasts.forecast import Forecaster
from ...jobs.limits import rates
from ...sql.clock import now
from ..format.document_fields import Instant
from ..format.instants import parse_duration, write_later
from ..jobs.documents.job_forecast import policies
from ..people import caller, permissions
from .override_requests import Target, require

#: greatest number of workers, threads or running jobs to try
MOST = 1_000_000


class WhatIfQuery(TypedDict, total=False):
    """Query parameters of a change; what is left out stays as it is."""

    actor: Annotated[str, Field(description="limits and backlog of this actor only")]
    workers: Annotated[int, Field(ge=0, le=MOST, description="worker processes that consume the queue")]
    threads: Annotated[int, Field(ge=0, le=MOST, description="their threads; instead of workers")]
    rate: Annotated[str, Field(description="rate limit such as 10/s; none: no limit")]
    concurrency: Annotated[str, Field(description="running jobs at once; none: no limit")]
    pause: Annotated[str, Field(description="duration such as 10m; none: not paused")]


class ClearingDocument(TypedDict):
    """When a backlog is drained."""

    cleared_p50: Annotated[Instant | None, Field(description="null: never, see `reason`")]
    cleared_p90: Instant | None
    reason: Annotated[str | None, Field(description="why it is never drained")]
    bottleneck: Annotated[str | None, Field(description="what decides how long it takes")]


class WhatIfDocument(TypedDict):
    """A queue's backlog, when it is drained now, and when after the change."""

    queue: str
    actor: str | None
    waiting: int
    waiting_is_least: Annotated[bool, Field(description="more jobs wait than are counted")]
    arriving_per_s: Annotated[float, Field(description="arrival rate: jobs submitted per second in the last minutes")]
    threads: int
    changed_threads: float
    present: ClearingDocument
    changed: Annotated[ClearingDocument | None, Field(description="null: no change was given")]


def read_change(given: Mapping[str, Any]) -> Change:
    """Parse a change from query parameters or command options; empty ones are left out. Raises JobsError with the cure."""
    values = {name: given.get(name) for name in WhatIfQuery.__annotations__}
    texts = {name: text for name, value in values.items() if value is not None and (text := str(value).strip())}
    rate = texts.get("rate")
    if rate is not None and rate != "none":
        try:
            rates.parse(rate)
        except ValueError as error:
            raise JobsError(str(error), field="rate") from None
    return Change(
        actor=texts.get("actor"),
        workers=_count("workers", texts.get("workers")),
        threads=_count("threads", texts.get("threads")),
        rate=rate,
        concurrency=0 if texts.get("concurrency") == "none" else _count("concurrency", texts.get("concurrency")),
        pause_s=_pause_s(texts.get("pause")),
    )


def forecast(session: Session, queue: str, change: Change) -> WhatIf:
    """Compare a queue's backlog now and after a change. Raises JobsError for an unknown queue, Forbidden for one of others."""
    require(session, Target("queue", queue))
    limited = permissions.in_force()
    if limited is not None and queue not in limited.own_queues():
        raise caller.Forbidden(f"A forecast of queue {queue} counts jobs of every actor in it: it requires access to all of them.")
    if change.actor is not None:
        require(session, Target("actor", change.actor))
    return what_if(Forecaster(session, policies()), queue, change)


def document(queue: str, change: Change, found: WhatIf) -> WhatIfDocument:
    """The document of a comparison."""
    return {
        "queue": queue,
        "actor": change.actor,
        "waiting": found.present.waiting,
        "waiting_is_least": found.is_partial,
        "arriving_per_s": round(found.arriving_per_s, 3),
        "threads": found.threads,
        "changed_threads": found.changed_threads,
        "present": _clearing(found.present),
        "changed": None if found.changed is None else _clearing(found.changed),
    }


def _clearing(found: Clearing) -> ClearingDocument:
    return {
        "cleared_p50": _at(found.p50), "cleared_p90": _at(found.p90), "reason": found.reason, "bottleneck": found.bottleneck if found.waiting else None,
    }  # fmt: skip


def _at(seconds: float | None) -> str | None:
    return None if seconds is None else write_later(now(), seconds)


def _count(field: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not text.isascii() or len(text) > 9 or int(text) > MOST:
        raise JobsError(f"{field} must be a number up to {MOST}, not {text!r:.40}.", field=field)
    return int(text)


def _pause_s(text: str | None) -> float | None:
    if text is None:
        return None
    if text == "none":
        return 0.0
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise JobsError(f"pause: {error}", field="pause") from None
