"""Admission control: decide in the claim's transaction whether pauses, breakers, concurrency and rate limits let a job start.

A job that may not start now gets a reason, and the instant or resource it waits for. The caller defers it: it holds no
thread, spends no attempt, and blocks no other job.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

from sqlalchemy.orm import Session

from ...formats.quantities import counted
from ...settings import get_settings
from ...sql.clock import now
from ...sql.columns import to_microseconds
from ..core.claimed import Claimed
from . import breakers, concurrency, overrides, rate_admission, rates
from .overrides import Controls
from .policies import Candidate, Policy, key, stands_in

#: microseconds until a job that must run alone asks again
SUSPECT_AGAIN_US = 1_000_000


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
            for actor in {candidate.job.actor for candidate in candidates if candidate.is_probe}:
                breakers.give_probe_back(session, actor)
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
    _ask_limits(session, candidates, policies, in_force)
    return candidates


def _ask_limits(session: Session, candidates: Sequence[Candidate], policies: dict[str, Policy], in_force: Controls) -> None:
    """Ask breakers, concurrency and rates: what the first job that may take it cannot use yet, the next one gets."""
    asking: Sequence[Candidate] = [candidate for candidate in candidates if candidate.waits is None]
    # Locked in this order, as by the commits that end attempts: breakers, then slots, then rates.
    probes = _Probes(session, asking, policies)
    slots = _Slots(session, candidates, policies, in_force)
    limited = {
        v.job.seq: limits for v in asking if (limits := rate_admission.limits_of(v.job, policies.get(v.job.actor, Policy()), in_force))
    }
    starts, present_us = rates.Starts(session), to_microseconds(now())
    groups = {
        v.job.seq: (tuple(limit.line for limit in limited[v.job.seq]), rate_admission.has_turn(v.job, present_us))
        for v in asking
        if v.job.seq in limited
    }
    refused_groups: set[object] = set()
    is_first = True
    while asking:
        refused, trying, behind = [], [], set()
        for candidate in asking:
            if not _take(candidate, probes, slots):
                refused.append(candidate)
                continue
            trying.append(candidate)
            if groups.get(candidate.job.seq) in refused_groups:
                # Rates refuse it as they refused one before it: the next job may take its slot at once, not only after another round.
                _free(candidate, probes, slots)
                behind.add(candidate.job.seq)
        if is_first and refused and limited:  # rounds would lock them in an order of their own, and deadlock with those of other claims
            starts.hold({limit.line for limits in limited.values() for limit in limits}, with_slots=True)
        rate_admission.ask(session, [(v, limited[v.job.seq]) for v in trying if v.job.seq in limited], starts)
        freed = [v for v in trying if v.waits is not None and v.job.seq not in behind and (v.is_probe or v.slot_keys)]
        for candidate in freed:
            _free(candidate, probes, slots)
            refused_groups.add(groups[candidate.job.seq])
        for candidate in trying:
            if candidate.job.seq in behind and candidate.waits is None:  # its turn came meanwhile
                _take(candidate, probes, slots)
        asking, is_first = refused if freed else (), False
        for candidate in asking:
            candidate.waits = None
    probes.give_back()
    slots.pass_on([candidate for candidate in candidates if candidate.waits is not None])
    starts.note()


def _take(candidate: Candidate, probes: _Probes, slots: _Slots) -> bool:
    if not probes.take(candidate):
        return False
    if slots.take(candidate):
        return True
    probes.free(candidate)
    return False


def _free(candidate: Candidate, probes: _Probes, slots: _Slots) -> None:
    probes.free(candidate)
    slots.free(candidate)


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


class _Probes:
    """Due probes of the open circuit breakers of some jobs, which this transaction has taken."""

    def __init__(self, session: Session, candidates: Sequence[Candidate], policies: dict[str, Policy]) -> None:
        guarded = {v.job.actor for v in candidates if policies.get(v.job.actor, Policy()).breaker}
        states = breakers.states(session, guarded) if guarded else {}
        self._session = session
        self._open: dict[str, tuple[int, datetime]] = {}  # failures, and the next probe
        self._due: set[str] = set()
        for actor, state in sorted(states.items()):
            if state.opened_at is None or (probe_at := state.probe_at) is None:
                continue
            every_s = policies[actor].probe_every_s
            if probe_at <= now() and breakers.take_probe(session, actor, every_s):
                probe_at = now() + timedelta(seconds=every_s)
                self._due.add(actor)
            self._open[actor] = state.failures, probe_at

    def take(self, candidate: Candidate) -> bool:
        """True if no open breaker keeps the job from starting, which may make it the probe."""
        actor = candidate.job.actor
        if actor not in self._open or stands_in(candidate.job):
            return True
        if actor in self._due:
            self._due.discard(actor)
            candidate.is_probe = True
            return True
        failures, probe_at = self._open[actor]
        reason = (
            f"the circuit breaker of {actor} is open after {counted(failures, 'failure')} in a row; next probe at {probe_at:%H:%M:%S} UTC"
        )
        candidate.wait(reason, due_us=to_microseconds(probe_at), waits_for=breakers.waits_for(actor))
        return False

    def free(self, candidate: Candidate) -> None:
        """Leave the probe of a job that may not start to another one."""
        if candidate.is_probe:
            candidate.is_probe = False
            self._due.add(candidate.job.actor)

    def give_back(self) -> None:
        """Leave unused probes to the next job that may start: else the breaker would stay open until after that."""
        for actor in sorted(self._due):
            breakers.give_probe_back(self._session, actor)


class _Slots:
    """Free slots of the concurrency limits of some jobs, locked; those given are written at the end."""

    def __init__(self, session: Session, candidates: Sequence[Candidate], policies: dict[str, Policy], in_force: Controls) -> None:
        for candidate in candidates:
            if candidate.waits is None:
                candidate.slot_keys = _concurrency_keys(candidate.job, policies.get(candidate.job.actor, Policy()), in_force)
        self._shared = {queue: _shared_keys(queue, in_force) for queue in {candidate.job.queue for candidate in candidates}}
        self._limits = dict(slot for candidate in candidates for slot in (*candidate.slot_keys, *self._shared[candidate.job.queue]))
        concurrency.lock(session, self._limits.keys())
        self._taken = concurrency.taken(session, self._limits.keys()) if self._limits else Counter[str]()
        self._again_us = to_microseconds(now() + timedelta(seconds=concurrency.ASK_AGAIN_S))
        self._session = session
        self._freed: set[int] = set()  # seqs of the jobs

    def take(self, candidate: Candidate) -> bool:
        """True if the job has a slot of each of its keys now."""
        full = next(((key, limit) for key, limit in candidate.slot_keys if self._taken[key] >= limit), None)
        if full is None:
            self._taken.update(key for key, _ in candidate.slot_keys)
            return True
        key, limit = full
        taken = f"the only slot of {key} is taken" if limit == 1 else f"{limit} of {limit} slots of {key} are taken"
        candidate.wait(taken, due_us=self._again_us, waits_for=concurrency.waits_for(key))
        return False

    def free(self, candidate: Candidate) -> None:
        """Leave the slots of a job that may not start to others."""
        self._taken.subtract(key for key, _ in candidate.slot_keys)
        self._freed.add(candidate.job.seq)

    def pass_on(self, deferred: Sequence[Candidate]) -> None:
        """Wake jobs that wait for slots left: those woken for them by the end of an attempt may not start."""
        left = Counter[str]()
        for candidate in deferred:
            keys = candidate.slot_keys if candidate.job.seq in self._freed else self._shared[candidate.job.queue]
            for slot, limit in reversed(keys):
                if self._taken[slot] >= limit:
                    break  # jobs that wait for a narrower key need this slot, too
                left[slot] += 1
        for slot, count in sorted(left.items()):
            overrides.wake(self._session, concurrency.waits_for(slot), min(count, self._limits[slot] - self._taken[slot]))


def _concurrency_keys(job: Claimed, policy: Policy, in_force: Controls) -> list[tuple[str, int]]:
    """Return the keys that a job needs a slot of, with their limits, the narrowest first."""
    limit = (
        in_force.value("actor", job.actor, "concurrency")
        if in_force.is_overridden("actor", job.actor, "concurrency")
        else policy.concurrency
    )
    own = None if limit is None else key(f"actor:{job.actor}", policy.concurrency_key, job)
    return ([] if limit is None or own is None else [(own, limit)]) + _shared_keys(job.queue, in_force)


def _shared_keys(queue: str, in_force: Controls) -> list[tuple[str, int]]:
    limits = [
        (overrides.target(scope, name), in_force.value(scope, name, "concurrency")) for scope, name in (("queue", queue), ("all", ""))
    ]
    return [(key, limit) for key, limit in limits if limit is not None]
