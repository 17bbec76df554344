"""Decide in the claim's transaction whether rate limits let a job start, and reserve its turn if they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.columns import to_microseconds
from ..core.claimed import Claimed
from . import overrides, rates
from .overrides import Controls
from .policies import Candidate, Policy, key
from .rates import Rate


def ask(session: Session, limited: Sequence[tuple[Candidate, list[Limit]]], starts: rates.Starts) -> None:
    """Reserve starts. A job that holds a reserved slot whose time has come has reserved before."""
    present_us = to_microseconds(now())
    asking: dict[tuple[str, int], list[tuple[Candidate, Limit]]] = {}
    for candidate, limits in limited:
        if not has_turn(candidate.job, present_us):
            for limit in limits:
                asking.setdefault((limit.line, limit.rate.spacing_us), []).append((candidate, limit))
    granted = (
        rates.reserve(session, [(line, len(those), spacing) for (line, spacing), those in asking.items()], present_us) if asking else {}
    )
    latest: dict[int, _Turn] = {}
    for (line, _), those in asking.items():
        for (candidate, limit), slot in zip(those, granted[line], strict=True):
            known = latest.get(candidate.job.seq)
            if known is None or slot.at_us > known.slot.at_us:
                is_reserved = slot.reserved and (known is None or known.slot.reserved)
                latest[candidate.job.seq] = _Turn(rates.Slot(slot.at_us, is_reserved), limit)
    for candidate, _ in limited:
        if candidate.job.seq not in latest:
            continue
        its_slot, limit = latest[candidate.job.seq]
        if its_slot.at_us > present_us + rates.CLOSE_US:
            _wait_for_turn(candidate, limit, its_slot.at_us, its_slot.at_us if its_slot.reserved else None)
    _count_starts([(candidate, limits) for candidate, limits in limited if candidate.waits is None], starts)


def has_turn(job: Claimed, present_us: int) -> bool:
    """True if the job holds a reserved slot whose time has come."""
    return job.slot_us is not None and job.slot_us <= present_us + rates.CLOSE_US


def _count_starts(starting: Sequence[tuple[Candidate, list[Limit]]], starts: rates.Starts) -> None:
    """Count the starts of jobs whose slot has come, if the rate still allows them; a late start delays those after it."""
    if not starting:
        return
    starts.hold({limit.line for _, limits in starting for limit in limits})
    present_us = to_microseconds(now())  # read only now: waiting for the locks may have taken a while
    for candidate, limits in sorted(starting, key=lambda each: each[0].job.slot_us or present_us):
        may_us = starts.admit([(limit.line, limit.rate) for limit in limits], present_us)
        if may_us is not None:
            # It keeps its turn: no later slot is reserved.
            _wait_for_turn(candidate, limits[0], may_us, min(candidate.job.slot_us or present_us, present_us))


def _wait_for_turn(candidate: Candidate, limit: Limit, due_us: int, slot_us: int | None) -> None:
    what = f"{limit.scope} {limit.name}" if limit.name else "all jobs"
    reason = f"waits for its turn under the rate limit of {what}, {limit.rate}"
    candidate.wait(reason, due_us=due_us, waits_for=rates.waits_for(limit.scope, limit.name))
    candidate.slot_us = slot_us


class Limit(NamedTuple):
    """One rate limit that applies to a job. `key` identifies its counter."""

    scope: str
    name: str
    key: str
    rate: Rate

    @property
    def line(self) -> str:
        """The key of its slots, which includes the rate: a changed limit starts afresh."""
        return f"{self.key}:{self.rate.count}/{self.rate.period_s}"


class _Turn(NamedTuple):
    """The latest slot of a job, and the limit that gives it."""

    slot: rates.Slot
    limit: Limit


def limits_of(job: Claimed, policy: Policy, in_force: Controls) -> list[Limit]:
    """Return the rate limits that apply to a job."""
    if in_force.is_overridden("actor", job.actor, "rate_limit"):
        text = in_force.value("actor", job.actor, "rate_limit")
        of_actor = rates.parse(text) if text else ()
    else:
        of_actor = policy.rates
    own = key(f"actor:{job.actor}", policy.rate_key, job) if of_actor else None
    found = [] if own is None else [Limit("actor", job.actor, own, rate) for rate in of_actor]
    for scope, name in (("queue", job.queue), ("all", "")):
        text = in_force.value(scope, name, "rate_limit")
        found.extend(Limit(scope, name, overrides.target(scope, name), rate) for rate in (rates.parse(text) if text else ()))
    return found
