"""Limits that an actor declares: rate, concurrency, and circuit breaker. Enforced at the claim, by src/jobs/limits/admission.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dramatiq import Actor, Middleware
from dramatiq.broker import Broker

from ...jobs.finish.settle import BreakerReport
from ...jobs.limits import rates
from ...jobs.limits.breakers import CircuitBreaker
from ...jobs.limits.policies import Policy
from .errors import InvalidOption


class Limits(Middleware):
    """Declare `rate_limit` ("10/m", "100/h;10/m"), `rate_key`, `concurrency`, `concurrency_key`, `circuit_breaker`.

    A key function receives the job's arguments and returns the key of its limit's counter; None: the limit does not apply.
    """

    def __init__(self) -> None:
        self.policies: dict[str, Policy] = {}
        self._breakers: dict[str, CircuitBreaker] = {}

    @property
    def actor_options(self) -> set[str]:
        return {"rate_limit", "rate_key", "concurrency", "concurrency_key", "circuit_breaker"}

    def before_declare_actor(self, broker: Broker, actor: Actor[Any, Any]) -> None:
        policy = Policy()
        options = actor.options
        if options.get("rate_limit") is not None:
            try:
                policy = replace(policy, rates=rates.parse(options["rate_limit"]))
            except (ValueError, TypeError) as error:
                raise InvalidOption(actor.actor_name, f"rate_limit: {error}") from None
        concurrency = options.get("concurrency")
        if concurrency is not None and (not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1):
            raise InvalidOption(actor.actor_name, f"concurrency must be a whole number of at least 1, not {concurrency!r}")
        for name in ("rate_key", "concurrency_key"):
            if options.get(name) is not None and not callable(options[name]):
                raise InvalidOption(actor.actor_name, f"{name} must be a function of the actor's arguments")
        breaker = options.get("circuit_breaker")
        if breaker is not None:
            self._breakers[actor.actor_name] = _checked(actor.actor_name, breaker)
            policy = replace(policy, breaker=True, probe_every_s=breaker.probe_every / 1000)
        self.policies[actor.actor_name] = replace(
            policy, rate_key=options.get("rate_key"), concurrency=concurrency, concurrency_key=options.get("concurrency_key")
        )

    def report(self, actor: str, error: BaseException | None) -> BreakerReport | None:
        """Return the report of an attempt's end to the actor's breaker; None for exceptions of other kinds."""
        breaker = self._breakers.get(actor)
        if breaker is None or (error is not None and not isinstance(error, breaker.on)):
            return None
        return BreakerReport(actor, error is not None, breaker.failures, breaker.probe_every / 1000)


def policies_of(broker: Broker) -> dict[str, Policy]:
    """Return the limits that a broker's actors declare."""
    return next(each for each in broker.middleware if isinstance(each, Limits)).policies


def _checked(actor: str, breaker: Any) -> CircuitBreaker:
    if not isinstance(breaker, CircuitBreaker):
        raise InvalidOption(actor, f"circuit_breaker must be a CircuitBreaker(failures=…, on=(…,), probe_every=…), not {breaker!r}")
    kinds: Sequence[Any] = breaker.on
    if (
        breaker.failures < 1
        or breaker.probe_every < 1
        or not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds)
    ):
        raise InvalidOption(actor, "circuit_breaker needs failures and probe_every of at least 1, and exception classes in `on`")
    return breaker
