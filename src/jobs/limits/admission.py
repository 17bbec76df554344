"""Admission control: decide in the claim's transaction whether pauses, breakers, concurrency and rate limits let a job start.

A job that may not start now gets a reason, and the instant or resource it waits for. The caller defers it: it holds no
thread, spends no attempt, and blocks no other job.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from ...logs import get_logger
from ...settings import get_settings
from ...sql.clock import now
from ...sql.columns import from_microseconds, to_microseconds
from ..core.claimed import Claimed
from ..core.values import text_of
from . import breakers, concurrency, overrides, rates
from .overrides import Controls
from .rates import Rate

log = get_logger(__name__)

#: microseconds until a job that must run alone asks again
SUSPECT_AGAIN_US = 1_000_000

KeyOf = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Policy:
    """An actor's declared limits."""

    rates: tuple[Rate, ...] = ()
    rate_key: KeyOf | None = None  # computed from the arguments; None: one limit for all its jobs
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


def judge(
    session: Session, claimed: Sequence[Claimed], policies: dict[str, Policy], *, take_suspect: Callable[[int], bool]
) -> tuple[list[Claimed], list[Candidate]]:
    """Take slots for the claimed jobs that may start now and return these jobs; return the results of the others, for the caller to defer."""
    in_force = overrides.load(session)
    candidates = _decide(session, claimed, policies, in_force, take_suspect)
    if any(candidate.waits is not None for candidate in candidates):
        # Otherwise an operator who lifts a limit at this moment would not wake the jobs about to wait for it.
        settled = overrides.hold_still(session)
        if not settled.equals(in_force):
            _give_probes_back(session, candidates)
            candidates = _decide(session, claimed, policies, settled, take_suspect)
    admitted = [candidate for candidate in candidates if candidate.waits is None]
    concurrency.take(session, [(key, candidate.job.seq) for candidate in admitted for key, _ in candidate.slot_keys])
    starting = [
        candidate.job._replace(has_slots=bool(candidate.slot_keys), is_probe=candidate.is_probe)
        if candidate.slot_keys or candidate.is_probe
        else candidate.job
        for candidate in admitted
    ]
    return starting, [candidate for candidate in candidates if candidate.waits is not None]


def needs_admission(claimed: Sequence[Claimed], policies: dict[str, Policy]) -> bool:
    """True if anything may keep one of these jobs from starting now."""
    return any(job.is_watched or _is_suspect(job) for job in claimed) or any(
        not is_open(policies.get(actor)) for actor in {job.actor for job in claimed}
    )


def _decide(
    session: Session, claimed: Sequence[Claimed], policies: dict[str, Policy], in_force: Controls, take_suspect: Callable[[int], bool]
) -> list[Candidate]:
    # In the order of submission: PostgreSQL returns claimed rows in any order, and a later job must not take an earlier one's slot.
    candidates = [Candidate(job) for job in sorted(claimed, key=attrgetter("seq"))]
    _ask_pauses(candidates, in_force)
    _part_suspects(candidates, take_suspect)
    _ask_breakers(session, candidates, policies)
    _ask_concurrency(session, candidates, policies, in_force)
    _ask_rates(session, candidates, policies, in_force)
    _give_probes_back(session, [candidate for candidate in candidates if candidate.waits is not None])
    return candidates


def _give_probes_back(session: Session, candidates: Sequence[Candidate]) -> None:
    """Otherwise the probe of a job that waits for a slot or its turn would not be due when that comes, and the breaker would stay open."""
    for candidate in candidates:
        if candidate.is_probe:
            candidate.is_probe = False
            at = now() if candidate.due_us is None else from_microseconds(candidate.due_us)
            breakers.give_probe_back(session, candidate.job.actor, at)


def is_open(policy: Policy | None) -> bool:
    """True if the actor declares no rate limit, concurrency limit or circuit breaker."""
    return policy is None or not (policy.rates or policy.concurrency or policy.breaker)


def _is_suspect(job: Claimed) -> bool:
    return bool(job.crashes) and job.crashes >= get_settings().max_crashes - 1


def _part_suspects(candidates: Sequence[Candidate], take_suspect: Callable[[int], bool]) -> None:
    """Let jobs that have crashed workers before run alone: if the next worker dies, only the job that killed it is dead."""
    again_us = to_microseconds(now()) + SUSPECT_AGAIN_US
    for candidate in candidates:
        if candidate.waits is None and _is_suspect(candidate.job) and not take_suspect(candidate.job.seq):
            candidate.wait("has crashed workers before, and waits until no other such job is running", due_us=again_us)


def _ask_pauses(candidates: Sequence[Candidate], in_force: Controls) -> None:
    present = now()
    for candidate in candidates:
        pause = in_force.pause(candidate.job.actor, candidate.job.queue, present)
        if pause is not None:
            candidate.wait(str(pause), due_us=None if pause.until is None else to_microseconds(pause.until), waits_for=pause.waits_for)


def _ask_breakers(session: Session, candidates: Sequence[Candidate], policies: dict[str, Policy]) -> None:
    guarded = {v.job.actor for v in candidates if v.waits is None and policies.get(v.job.actor, Policy()).breaker}
    if not guarded:
        return
    found = breakers.states(session, guarded)
    for candidate in candidates:
        state = found.get(candidate.job.actor)
        if candidate.waits is not None or state is None or state.opened_at is None or state.probe_at is None:
            continue
        probe_every_s = policies[candidate.job.actor].probe_every_s
        if state.probe_at <= now() and breakers.take_probe(session, candidate.job.actor, probe_every_s):
            state.probe_at = now() + timedelta(seconds=probe_every_s)
            candidate.is_probe = True
            continue
        reason = f"the circuit breaker of {candidate.job.actor} is open after {state.failures} failures in a row; next probe at {state.probe_at:%H:%M:%S} UTC"
        candidate.wait(reason, due_us=to_microseconds(state.probe_at), waits_for=breakers.waits_for(candidate.job.actor))


def _ask_concurrency(session: Session, candidates: Sequence[Candidate], policies: dict[str, Policy], in_force: Controls) -> None:
    asking: list[Candidate] = []
    for candidate in candidates:
        if candidate.waits is None:
            candidate.slot_keys = _concurrency_keys(candidate.job, policies.get(candidate.job.actor, Policy()), in_force)
            if candidate.slot_keys:
                asking.append(candidate)
    if not asking:
        return
    keys = {key for candidate in asking for key, _ in candidate.slot_keys}
    concurrency.lock(session, keys)
    taken = concurrency.taken(session, keys)
    again_us = to_microseconds(now() + timedelta(seconds=concurrency.ASK_AGAIN_S))
    for candidate in asking:
        full = next(((key, limit) for key, limit in candidate.slot_keys if taken[key] >= limit), None)
        if full is None:
            taken.update(key for key, _ in candidate.slot_keys)
        else:
            key, limit = full
            candidate.wait(f"{limit} of {limit} slots of {key} are taken", due_us=again_us, waits_for=concurrency.waits_for(key))


def _concurrency_keys(job: Claimed, policy: Policy, in_force: Controls) -> list[tuple[str, int]]:
    limit = (
        in_force.value("actor", job.actor, "concurrency")
        if in_force.is_overridden("actor", job.actor, "concurrency")
        else policy.concurrency
    )
    keys = [] if limit is None else [(_key(f"actor:{job.actor}", policy.concurrency_key, job), limit)]
    for scope, name in (("queue", job.queue), ("all", "")):
        limit = in_force.value(scope, name, "concurrency")
        if limit is not None:
            keys.append((overrides.target(scope, name), limit))
    return keys


def _ask_rates(session: Session, candidates: Sequence[Candidate], policies: dict[str, Policy], in_force: Controls) -> None:
    """Reserve starts. A job that holds a reserved slot whose time has come has reserved before."""
    present_us = to_microseconds(now())
    limited = [
        (v, limits)
        for v in candidates
        if v.waits is None and (limits := _rate_limits(v.job, policies.get(v.job.actor, Policy()), in_force))
    ]
    asking: dict[tuple[str, int], list[tuple[Candidate, _Limit]]] = {}
    for candidate, limits in limited:
        if candidate.job.slot_us is None or candidate.job.slot_us > present_us + rates.CLOSE_US:
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
    _count_starts(session, [(candidate, limits) for candidate, limits in limited if candidate.waits is None])


def _count_starts(session: Session, starting: Sequence[tuple[Candidate, list[_Limit]]]) -> None:
    """Count the starts of jobs whose slot has come, if the rate still allows them; a late start delays those after it."""
    if not starting:
        return
    starts = rates.Starts(session, {limit.line for _, limits in starting for limit in limits})
    present_us = to_microseconds(now())  # read only now: waiting for the locks may have taken a while
    for candidate, limits in sorted(starting, key=lambda each: each[0].job.slot_us or present_us):
        may_us = starts.admit([(limit.line, limit.rate) for limit in limits], present_us)
        if may_us is not None:
            # It keeps its turn: no later slot is reserved.
            _wait_for_turn(candidate, limits[0], may_us, min(candidate.job.slot_us or present_us, present_us))
    starts.note()


def _wait_for_turn(candidate: Candidate, limit: _Limit, due_us: int, slot_us: int | None) -> None:
    what = f"{limit.scope} {limit.name}" if limit.name else "all jobs"
    reason = f"waits for its turn under the rate limit of {what}, {limit.rate}"
    candidate.wait(reason, due_us=due_us, waits_for=rates.waits_for(limit.scope, limit.name))
    candidate.slot_us = slot_us


class _Limit(NamedTuple):
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
    limit: _Limit


def _rate_limits(job: Claimed, policy: Policy, in_force: Controls) -> list[_Limit]:
    if in_force.is_overridden("actor", job.actor, "rate_limit"):
        text = in_force.value("actor", job.actor, "rate_limit")
        of_actor = rates.parse(text) if text else ()
    else:
        of_actor = policy.rates
    found = [_Limit("actor", job.actor, _key(f"actor:{job.actor}", policy.rate_key, job), rate) for rate in of_actor]
    for scope, name in (("queue", job.queue), ("all", "")):
        text = in_force.value(scope, name, "rate_limit")
        found.extend(_Limit(scope, name, overrides.target(scope, name), rate) for rate in (rates.parse(text) if text else ()))
    return found


def keyed(prefix: str, key_of: KeyOf, args: Any, kwargs: Any) -> str:
    """Return the key of a limit that an actor's own function computes from the arguments."""
    return f"{prefix}:{text_of(key_of(*args, **kwargs))}"[:200]


def _key(prefix: str, key_of: KeyOf | None, job: Claimed) -> str:
    if key_of is None:
        return prefix[:200]
    try:
        return keyed(prefix, key_of, json.loads(job.args), json.loads(job.kwargs))
    except BaseException as error:  # noqa: BLE001 - an actor's own key function; the executor tells what is wrong with the arguments
        log.warning("key_function_failed", job_id=job.id, actor=job.actor, error=type(error).__name__)
        return prefix[:200]
