"""Documents of pauses, limits and circuit breakers."""

from __future__ import annotations

from typing import Any

from ...jobs.limits.overrides import Override, Pause
from ..format.instants import write_instant
from .override_requests import Breaker, Limit


def pause_document(pause: Pause) -> dict[str, Any]:
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


def limit_document(limit: Limit) -> dict[str, Any]:
    """The document of a limit: code value, override and effective value."""
    return {
        "target": str(limit.target),
        "setting": limit.setting,
        "code": limit.code,
        "per_key": limit.per_key,
        "override": None if limit.override is None else _override_document(limit.override),
        "in_force": limit.in_force,
    }


def _override_document(override: Override) -> dict[str, Any]:
    return {"value": override.value, "set_by": override.set_by, "set_at": write_instant(override.set_at)}


def breaker_document(breaker: Breaker) -> dict[str, Any]:
    """The document of a circuit breaker."""
    return {
        "actor": breaker.actor,
        "open": breaker.opened_at is not None,
        "failures": breaker.failures,
        "opens_at": breaker.limit,
        "opened_at": write_instant(breaker.opened_at),
        "probe_at": write_instant(breaker.probe_at),
    }
