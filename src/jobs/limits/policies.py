"""Declared limits of an actor, the keys of their counters, and a claimed job while limits decide about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...logs import get_logger
from ..core.claimed import Claimed
from ..core.values import fitting, text_of
from . import breakers
from .rates import Rate

log = get_logger(__name__)

KeyOf = Callable[..., Any]

#: characters of a key: the line of a rate limit appends the rate
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Policy:
    """An actor's declared limits."""

    rates: tuple[Rate, ...] = ()
    rate_key: KeyOf | None = None  # computed from the arguments, None of a job that is not limited; without it, one limit for all its jobs
    concurrency: int | None = None
    concurrency_key: KeyOf | None = None
    breaker: bool = False
    probe_every_s: float = breakers.PROBE_EVERY_S


@dataclass(slots=True)
class Candidate:
    """A claimed job during admission. `waits` is why it may not start, or None; `slot_keys` are the slots it takes if it may."""

    job: Claimed
    waits: str | None = None
    due_us: int | None = None
    slot_us: int | None = None
    waits_for: str | None = None
    slot_keys: list[tuple[str, int]] = field(default_factory=list)
    is_probe: bool = False

    def wait(self, reason: str, *, due_us: int | None = None, waits_for: str | None = None) -> None:
        self.waits, self.due_us, self.waits_for = reason, due_us, waits_for


def stands_in(job: Claimed) -> bool:
    """True if the job takes the result of another one instead of calling its actor."""
    return '"stands_in"' in job.options and "stands_in" in json.loads(job.options)


def keyed(prefix: str, key_of: KeyOf, args: Any, kwargs: Any) -> str | None:
    """Return the key of a limit that an actor's own function computes from the arguments; None: they are not limited."""
    own = key_of(*args, **kwargs)
    return None if own is None else fitting(f"{prefix}:{text_of(own)}", LONGEST)


def key(prefix: str, key_of: KeyOf | None, job: Claimed) -> str | None:
    """Return the key of a limit for a job, or None if the limit does not apply; that of the whole limit if the actor's function fails."""
    if key_of is None:
        return fitting(prefix, LONGEST)
    try:
        return keyed(prefix, key_of, json.loads(job.args), json.loads(job.kwargs))
    except BaseException as error:  # noqa: BLE001 - an actor's own key function; the executor tells what is wrong with the arguments
        log.warning("key_function_failed", job_id=job.id, actor=job.actor, error=type(error).__name__)
        return fitting(prefix, LONGEST)
