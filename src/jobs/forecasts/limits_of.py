"""The limits that apply to the jobs of an actor in a queue, as declared and overridden now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..limits import concurrency, overrides, rates
from ..limits.overrides import CONCURRENCY, RATE_LIMIT, Controls
from ..limits.policies import KeyOf, Policy
from ..limits.rates import Rate

#: an actor without declared limits
NONE = Policy()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A rate limit of a scope; `key_of`: computes the key of a job, whose line is separate."""

    scope: str
    name: str
    rate: Rate
    key_of: KeyOf | None = None

    @property
    def per_key(self) -> bool:
        return self.key_of is not None

    @property
    def key(self) -> str:
        return overrides.target(self.scope, self.name)

    @property
    def per_s(self) -> float:
        return 1_000_000 / self.rate.spacing_us

    @property
    def waits_for(self) -> str:
        return rates.waits_for(self.scope, self.name)


@dataclass(frozen=True, slots=True)
class SlotLimit:
    """A concurrency limit of a scope."""

    scope: str
    name: str
    most: int
    key_of: KeyOf | None = None

    @property
    def per_key(self) -> bool:
        return self.key_of is not None

    @property
    def key(self) -> str:
        return overrides.target(self.scope, self.name)

    @property
    def waits_for(self) -> str:
        return concurrency.waits_for(self.key)


class Limits:
    """Every limit, by actor and queue."""

    def __init__(self, policies: Mapping[str, Policy], in_force: Controls) -> None:
        self._policies, self.in_force = policies, in_force

    def rates(self, actor: str, queue: str) -> list[RateLimit]:
        """Return the rate limits that a job of this actor in this queue has to pass."""
        policy = self._policies.get(actor, NONE)
        if self.in_force.is_overridden("actor", actor, RATE_LIMIT):
            found = [RateLimit("actor", actor, rate, policy.rate_key) for rate in self._set("actor", actor)]
        else:
            found = [RateLimit("actor", actor, rate, policy.rate_key) for rate in policy.rates]
        return found + [RateLimit(scope, name, rate) for scope, name in (("queue", queue), ("all", "")) for rate in self._set(scope, name)]

    def slots(self, actor: str, queue: str) -> list[SlotLimit]:
        """Return the concurrency limits of a job of this actor in this queue."""
        policy = self._policies.get(actor, NONE)
        most = policy.concurrency
        if self.in_force.is_overridden("actor", actor, CONCURRENCY):
            most = self.in_force.value("actor", actor, CONCURRENCY)
        found = [] if most is None else [SlotLimit("actor", actor, most, policy.concurrency_key)]
        for scope, name in (("queue", queue), ("all", "")):
            most = self.in_force.value(scope, name, CONCURRENCY)
            if most is not None:
                found.append(SlotLimit(scope, name, most))
        return found

    def _set(self, scope: str, name: str) -> tuple[Rate, ...]:
        text = self.in_force.value(scope, name, RATE_LIMIT)
        return rates.parse(text) if text else ()
