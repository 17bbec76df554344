"""Pauses, limits and circuit breakers: parse a target, set overrides, compare code value and override."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from ...formats.quantities import counted, number
from ...jobs.core.errors import JobsError
from ...jobs.leases import workers
from ...jobs.limits import breakers, overrides
from ...jobs.limits.breakers import CircuitBreaker
from ...jobs.limits.overrides import CONCURRENCY, LIMITS, RATE_LIMIT, SCOPES, Controls, Override, Pause
from ...jobs.read import queries
from ...jobs.read.queries import QueueCounts
from ...sql.clock import now
from ..format.request_values import ahead
from ..jobs import actor_catalogue
from ..jobs.actor_catalogue import AnyActor
from ..people import permissions
from ..people.caller import Caller


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a pause or limit: everything, a queue or an actor."""

    scope: str
    name: str = ""

    def __str__(self) -> str:
        return overrides.target(self.scope, self.name)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a target: the value in code, and the override of an operator."""

    target: Target
    setting: str  # rate_limit, concurrency
    code: Any = None
    per_key: bool = False  # separate limit for each key of the actor's key function
    override: Override | None = None

    @property
    def in_force(self) -> Any:
        return self.code if self.override is None else self.override.value


@dataclass(frozen=True, slots=True)
class Breaker:
    """An actor's circuit breaker. `limit`: failures in a row that open it; None: the actor is not loaded here."""

    actor: str
    limit: int | None
    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None

    @property
    def words(self) -> str:
        """Its failures, such as "1 failure in a row, opens at 5"."""
        return f"{counted(self.failures, 'failure')} in a row{f', opens at {self.limit}' if self.limit else ''}"


@dataclass(frozen=True, slots=True)
class Panel:
    """The pause, limits and circuit breaker of one target."""

    target: Target
    pause: Pause | None
    limits: list[Limit]
    breaker: Breaker | None = None


def read_target(text: str) -> Target:
    """Parse `all`, `queue:NAME` or `actor:NAME`; raises JobsError with the cure."""
    scope, _, name = text.partition(":")
    if scope not in SCOPES or bool(name) == (scope == "all"):
        raise JobsError(f"The target must be all, queue:NAME or actor:NAME, not {text!r:.80}.", field="target")
    permissions.require_target(scope, name)
    return Target(scope, name)


def require(session: Session, target: Target) -> Target:
    """Parse a target that exists in this process or a live worker: an override for a misspelt name would do nothing."""
    if target.scope == "all":
        return target
    alive = workers.alive(session)
    if target.scope == "actor":
        known = {each.actor_name for each in actor_catalogue.everyone()}.union(*(worker.actors for worker in alive))
    else:
        known = set(actor_catalogue.queues()).union(*(worker.queues for worker in alive))
    if target.name not in known:
        listed = ", ".join(sorted(known & _seen(target.scope) if permissions.in_force() else known))
        raise JobsError(f"There is no {target.scope} named {target.name!r}. Choose one of: {listed}.", field="target")
    return target


def _seen(scope: str) -> set[str]:
    """Names of a scope that the caller, who is limited to some actors, may read."""
    limited = permissions.in_force()
    seen = [each for each in actor_catalogue.everyone() if limited is None or permissions.fits(limited, each.actor_name)]
    return {each.actor_name if scope == "actor" else each.queue_name for each in seen}


def pause(
    session: Session, target: Target, *, how_long: str | float | None, until: str | float | None = None, reason: str | None, by: Caller
) -> datetime | None:
    """Pause a target for a duration or until a time; return the end, None: until it is resumed. Raises JobsError."""
    if how_long is not None and until is not None:
        raise JobsError("Give either for or until, not both.", field="until")
    end = ahead("for", how_long) or ahead("until", until)
    require(session, target)
    overrides.pause(session, target.scope, target.name, until=end, reason=reason or None, by=by.name)
    return end


def resume(session: Session, target: Target) -> int:
    """End the pause of a target; return the number of jobs it delayed."""
    return overrides.resume(session, target.scope, target.name)


def follow_code(session: Session, target: Target, setting: str) -> None:
    """Remove an override: the code value applies again."""
    overrides.follow_code(session, target.scope, target.name, setting)


def override(session: Session, target: Target, setting: str, value: Any, *, by: Caller) -> None:
    """Override a limit; None removes the limit. Raises JobsError for an unknown target."""
    require(session, target)
    if setting == RATE_LIMIT:
        overrides.set_rate_limit(session, target.scope, target.name, value, by=by.name)
    else:
        overrides.set_concurrency(session, target.scope, target.name, value, by=by.name)


def panel(session: Session, target: Target) -> Panel:
    """Pause, limits and breaker of one target; wider pauses are not included."""
    in_force = overrides.load(session)
    pause = next((each for each in in_force.pauses(now()) if each.target == str(target)), None)
    breaker = next((each for each in listed_breakers(session) if target.scope == "actor" and each.actor == target.name), None)
    return Panel(target, pause, _limits(in_force, target), breaker)


def waiting(session: Session, pause: Pause, queues: Sequence[QueueCounts]) -> str:
    """Say how many jobs a pause holds back: queued ones, and those that workers have deferred. Empty: not known."""
    limited = permissions.in_force()
    if limited is not None and pause.scope != "actor" and pause.name not in limited.own_queues():
        return ""  # the caller's own among all deferred jobs have no index
    deferred = queries.count_waiting_for(session, pause.waits_for)
    if pause.scope == "actor" and not deferred:
        return ""  # queued jobs of one actor have no index
    held_back = min(deferred, queries.MOST_COUNTED)
    held_back += sum(each.queued for each in queues if pause.scope == "all" or (pause.scope == "queue" and each.queue == pause.name))
    return f"{number(held_back)}+ jobs wait" if deferred > queries.MOST_COUNTED else counted(held_back, "job waits", "jobs wait")


def listed_limits(session: Session) -> list[Limit]:
    """List the limits from code and overrides, widest first."""
    in_force = overrides.load(session)
    targets = [Target(each.scope, each.name) for each in in_force.overrides()]
    targets += [Target("actor", actor.actor_name) for actor in actor_catalogue.everyone()]
    found = [limit for target in dict.fromkeys(targets) for limit in _limits(in_force, target)]
    return [limit for limit in found if limit.code is not None or limit.override is not None]


def listed_breakers(session: Session) -> list[Breaker]:
    """List the circuit breakers, open ones first."""
    failed = {row.actor: row for row in breakers.listed(session)}
    declared = {actor.actor_name: _declared_breaker(actor) for actor in actor_catalogue.everyone()}
    limits = {name: breaker.failures for name, breaker in declared.items() if breaker is not None}
    found = [
        Breaker(name, limits.get(name), row.failures, row.opened_at, row.probe_at)
        if (row := failed.get(name))
        else Breaker(name, limits.get(name))
        for name in sorted({*limits, *failed})
    ]
    return sorted(found, key=lambda breaker: breaker.opened_at is None)


def _limits(in_force: Controls, target: Target) -> list[Limit]:
    set_here = {each.setting: each for each in in_force.overrides() if each.target == str(target)}
    options: dict[str, Any] = {}
    if target.scope == "actor":
        options = next((actor.options for actor in actor_catalogue.everyone() if actor.actor_name == target.name), {})
    keys = {RATE_LIMIT: "rate_key", CONCURRENCY: "concurrency_key"}
    return [
        Limit(target, setting, options.get(setting), options.get(keys[setting]) is not None, set_here.get(setting)) for setting in LIMITS
    ]


def _declared_breaker(actor: AnyActor) -> CircuitBreaker | None:
    return actor.options.get("circuit_breaker")
