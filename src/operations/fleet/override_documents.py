"""Documents of pauses, limits and circuit breakers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...jobs.limits.overrides import LIMITS, SCOPES, Controls, Override, Pause
from ...sql.clock import now
from ..format.document_fields import Instant
from ..format.instants import write_instant
from .override_requests import Breaker, Limit

Target = Annotated[str, Field(description="all, queue:NAME or actor:NAME")]
#: value of a limit
Value = Annotated[str | int | None, Field(description="a rate such as 10/m, or a number of running jobs; null: no limit")]


class PauseDocument(TypedDict):
    """A pause."""

    target: Target
    scope: Annotated[str, Field(json_schema_extra={"enum": list(SCOPES)})]
    name: Annotated[str, Field(description="name of the queue or actor; empty: all")]
    until: Annotated[Instant | None, Field(description="null: until it is resumed")]
    reason: str | None
    set_by: str | None
    set_at: Instant | None


class OverrideDocument(TypedDict):
    """An operator's override of a limit."""

    value: Value
    set_by: str | None
    set_at: Instant


class LimitDocument(TypedDict):
    """A limit: the value in code, the override and the effective value."""

    target: Target
    setting: Annotated[str, Field(json_schema_extra={"enum": list(LIMITS)})]
    code: Value
    per_key: Annotated[bool, Field(description="each key of the actor's key function has a limit of its own")]
    override: OverrideDocument | None
    in_force: Value


class BreakerDocument(TypedDict):
    """A circuit breaker."""

    actor: str
    open: bool
    failures: Annotated[int, Field(description="failures in a row")]
    opens_at: Annotated[int | None, Field(description="failures in a row that open it; null: the actor is not loaded here")]
    opened_at: Instant | None
    probe_at: Annotated[Instant | None, Field(description="when a single job is tried")]


def pause_document(pause: Pause) -> PauseDocument:
    """The document of a pause."""
    return {
        "target": pause.target,
        "scope": pause.scope,
        "name": pause.name,
        "until": write_instant(pause.until),
        "reason": pause.reason,
        "set_by": pause.set_by,
        "set_at": write_instant(pause.set_at),
    }


def limit_document(limit: Limit) -> LimitDocument:
    """The document of a limit: code value, override and effective value."""
    return {
        "target": str(limit.target),
        "setting": limit.setting,
        "code": limit.code,
        "per_key": limit.per_key,
        "override": None if limit.override is None else _override_document(limit.override),
        "in_force": limit.in_force,
    }


def _override_document(override: Override) -> OverrideDocument:
    return {"value": override.value, "set_by": override.set_by, "set_at": write_instant(override.set_at)}


def breaker_document(breaker: Breaker) -> BreakerDocument:
    """The document of a circuit breaker."""
    return {
        "actor": breaker.actor,
        "open": breaker.opened_at is not None,
        "failures": breaker.failures,
        "opens_at": breaker.limit,
        "opened_at": write_instant(breaker.opened_at),
        "probe_at": write_instant(breaker.probe_at),
    }


def paused_by(in_force: Controls, actor: str, queue: str) -> str | None:
    """The widest pause that applies to this actor and queue, or None."""
    pause = in_force.pause(actor, queue, now())
    return None if pause is None else pause.target
