"""The catalogue of actors: those of this process that the caller is permitted to use."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from dramatiq import Actor

from ... import actors
from ...jobs.core.errors import UnknownActor
from ..people import permissions

AnyActor = Actor[Any, Any]


class Origin(StrEnum):
    """Origin of an actor: a team's own module, Callboard, or its examples."""

    MINE = "mine"  # of the team
    EXAMPLES = "examples"
    SYSTEM = "system"


_OURS = f"{actors.__name__}."
#: modules of Callboard's own actors; others in that folder are the team's
_SYSTEM = frozenset({"bulk", "http_call", "mail", "notifications", "publishing", "reports", "upkeep", "webhooks"})
_EXAMPLES = frozenset({"accounts", "arithmetic", "tutorial", "widgets"})


def everyone() -> list[AnyActor]:
    """All actors by name; for a limited caller, the permitted ones."""
    found, limited = actors.broker.actors, permissions.in_force()
    return [found[name] for name in sorted(found) if permissions.fits(limited, name)]


def entries() -> list[AnyActor]:
    """The actors that users and programs may submit; excludes internal ones."""
    return [actor for actor in everyone() if not actor.options.get("internal")]


def origin(actor: AnyActor) -> Origin:
    """Return whether an actor is the team's, one of the examples, or part of Callboard."""
    module = str(actor.fn.__module__)
    name = module.removeprefix(_OURS).partition(".")[0] if module.startswith(_OURS) else ""
    return Origin.SYSTEM if name in _SYSTEM else Origin.EXAMPLES if name in _EXAMPLES else Origin.MINE


def submittable(name: str) -> AnyActor:
    """The actor of this name; raises UnknownActor, also for internal actors, whose arguments are not validated."""
    actor = find(name)
    if actor.options.get("internal"):
        raise UnknownActor(f"Only Callboard itself submits jobs of {name!r}.", field="actor")
    return actor


def find(name: str) -> AnyActor:
    """The actor of this name; raises UnknownActor."""
    permissions.require(name)
    found: dict[str, AnyActor] = actors.broker.actors
    if name not in found:
        raise permissions.unknown(name)
    return found[name]


def queues() -> list[str]:
    """The queues that the actors declare."""
    return sorted({actor.queue_name for actor in everyone()})
