"""Permissions per actor: which actors the caller may see, submit and edit. The same for pages, API and terminal.

A user or token may be limited to certain actors. An actor may also require a role in code: `view_role` to see its jobs,
`submit_role` to submit, retry and change them. Three places enforce this: the catalogue lists permitted actors only, row_filters.py
filters every read, and the web application checks addresses (address_rules.py).

A queue is visible to callers who may see one of its actors. Numbers that count all jobs of a queue need all of its actors.
A cache that outlives a request has `in_force()` in its key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from ... import ACTOR_MODULES, actors
from ...broker.core.topology import dead_letter_queue, queues_of
from ...broker.recover.management import Overview
from ...jobs.control.reach import ACT_ON_JOBS, Reach
from ...jobs.core.errors import UnknownActor
from ...jobs.search import Query
from ...jobs.submit import defaults
from ...jobs.workflows.canvas import CALL_EACH
from . import caller
from .roles import Patterns, Role

#: stands for the name of an actor that the caller may not see
MASKED = "••••••"
#: actors whose jobs tell of any actor: hidden from callers with a limit
_BULK = frozenset({CALL_EACH, ACT_ON_JOBS})
#: reports on every actor: hidden from callers from whom an actor's `view_role` hides one
_REPORTS = frozenset({"daily_operations", "weekly_operations"})
OF_ANY_ACTOR = _BULK | _REPORTS
#: query fields whose values name no actor or queue
_HARMLESS = frozenset({"state", "is", "created", "started", "finished", "attempts", "source", "priority"})
#: an actor name, or a prefix followed by a star
PATTERN = re.compile(r"[^\s,*]{1,200}\*?|\*")


def read_patterns(text: str) -> Patterns | None:
    """Parse patterns such as `add, reports_*`; None for an empty text: every actor. Raises ValueError with the cure."""
    patterns = tuple(dict.fromkeys(word for word in re.split(r"[\s,]+", text) if word))
    wrong = [word for word in patterns if not PATTERN.fullmatch(word)]
    if wrong:
        raise ValueError(f"{wrong[0]!r:.60} is not an actor name or a prefix followed by a star, e.g. reports_*.")
    return None if not patterns or "*" in patterns else patterns


def unmatched(patterns: Patterns | None) -> list[str]:
    """The patterns that no loaded actor matches."""
    return [each for each in patterns or () if not any(_matches(each, name) for name in actors.broker.actors)]


@dataclass(frozen=True, slots=True)
class Sight:
    """The caller's limit. `patterns`: allowed actors, None: all; `hidden`: actors that require a higher role."""

    patterns: Patterns | None
    hidden: frozenset[str] = frozenset()

    def takes(self, actor: str) -> bool:
        """True if this actor is permitted."""
        return actor not in self.hidden and (self.patterns is None or any(_matches(each, actor) for each in self.patterns))

    def queues(self) -> set[str]:
        """The queues of these actors."""
        return {actor.queue_name for name, actor in actors.broker.actors.items() if self.takes(name)}

    def own_queues(self) -> set[str]:
        """The queues of these actors and of no others; the jobs that tell of any actor hide no queue."""
        others = actors.broker.actors.keys() - OF_ANY_ACTOR
        return self.queues() - {actors.broker.actors[name].queue_name for name in others if not self.takes(name)}

    def takes_query(self, query: Query) -> bool:
        """True if a query names permitted actors only, and no field that could name another one."""
        asks = [term for term in query.terms if term.name == "actor"]
        if not asks or not all(self.takes(value) for term in asks for value in term.values):
            return False
        queues = self.queues()
        return all(
            set(term.values) <= queues if term.name == "queue" else term.name in _HARMLESS for term in query.terms if term.name != "actor"
        )

    def __str__(self) -> str:
        return ", ".join(self.patterns) if self.patterns is not None else "those that your role may see"


def fits(sight: Sight | None, actor: str) -> bool:
    """True if a caller with this limit may use the actor."""
    return sight is None or sight.takes(actor)


def in_force() -> Sight | None:
    """The limit of the current caller; None: no limit, or no caller (workers, scheduler, terminal)."""
    by = caller.current()
    if by is None:
        return None
    hidden = frozenset(name for name, each in defaults.guarded().items() if each.view_role and not by.role.includes(Role(each.view_role)))
    if by.actors is None and not hidden:
        return None
    return Sight(by.actors, hidden | (OF_ANY_ACTOR if hidden else _BULK))


def known(name: str | None) -> str | None:
    """The name of an actor, masked if the caller may not see it."""
    return name if not name or fits(in_force(), name) else MASKED


def numbers(broker: Overview) -> Overview:
    """RabbitMQ counts of the queues of which the caller may see all actors."""
    limited = in_force()
    if limited is None:
        return broker
    seen = {part for name in limited.own_queues() for part in (*queues_of(name), dead_letter_queue(name))}
    return replace(broker, queues={name: each for name, each in broker.queues.items() if name in seen}, is_counted=False)


def sight() -> Callable[[str], bool] | None:
    """A predicate for the actors that the caller may see; None: all."""
    limited = in_force()
    return None if limited is None else limited.takes


def require(actor: str) -> None:
    """Raise Forbidden, or UnknownActor for a hidden one, unless the caller may use the actor."""
    limited = in_force()
    if fits(limited, actor):
        return
    if limited is not None and actor in limited.hidden:
        raise unknown(actor)
    raise caller.Forbidden(f"You have no access to the actor {actor!r:.200}. Your actors: {limited}.")


def unknown(actor: str) -> UnknownActor:
    """The error for an actor that does not exist or that the caller may not know of, with permitted ones of similar names."""
    limited = in_force()
    known = [name for name, each in actors.broker.actors.items() if fits(limited, name) and not each.options.get("internal")]
    alike = get_close_matches(actor, known, n=3, cutoff=0.6)
    meant = f" Did you mean {' or '.join(alike)}?" if alike else ""
    return UnknownActor(f"No actor named {actor!r}.{meant} Add its module to {ACTOR_MODULES}.", field="actor")


def submit_role(actor: str | None) -> Role:
    """The role required to submit jobs of this actor."""
    return max(Role.SUBMITTER, Role(defaults.of(actor or "").submit_role or Role.SUBMITTER), key=list(Role).index)


def view_role(actor: str | None) -> Role:
    """The role required to view jobs of this actor."""
    return Role(defaults.of(actor or "").view_role or Role.VIEWER)


def require_submit(actor: str) -> None:
    """Raise Forbidden if the actor's `submit_role` is above the caller's role."""
    by, needed = caller.current(), defaults.of(actor).submit_role
    if by is not None and needed and not by.role.includes(Role(needed)):
        raise caller.Forbidden(
            f"Submitting, retrying and editing jobs of {known(actor)} requires role {needed} or higher; you are signed in as {by.name} with role {by.role}."
        )


def require_reach(reach: Reach) -> None:
    """Raise Forbidden if something that runs requires a role above the caller's."""
    by = caller.current()
    if by is None or not beyond():
        return
    for name in sorted(reach.actors):
        require_submit(name)
    if not all(role in list(Role) and by.role.includes(Role(role)) for role in reach.roles):
        raise caller.Forbidden("This bulk action was allowed to a higher role: start one of your own.")


def beyond() -> list[str]:
    """The actors whose `submit_role` is above the caller's role."""
    by = caller.current()
    if by is None:
        return []
    return sorted(name for name, each in defaults.guarded().items() if each.submit_role and not by.role.includes(Role(each.submit_role)))


def require_target(scope: str, name: str) -> None:
    """Raise Forbidden if a pause or limit of this target would affect other actors than the caller's."""
    if scope == "actor":
        require(name)
    elif (limited := in_force()) is not None:
        raise caller.Forbidden(f"You may pause and limit your own actors only: {limited}.")


def _matches(pattern: str, actor: str) -> bool:
    return actor == pattern or (pattern.endswith("*") and actor.startswith(pattern[:-1]))
