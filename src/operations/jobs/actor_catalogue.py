"""The catalogue of actors: those of this process that the caller is permitted to use."""

from __future__ import annotations

from typing import Any

from dramatiq import Actor

from ... import actors
from ...jobs.core.errors import UnknownActor
from ..people import permissions

AnyActor = Actor[Any, Any]


def everyone() -> list[AnyActor]:
    """All actors by name; for a limited caller, the permitted ones."""
    found, limited = actors.broker.actors, permissions.in_force()
    return [found[name] for name in sorted(found) if permissions.fits(limited, name)]


def entries() -> list[AnyActor]:
    """The actors that users and programs may submit; excludes internal ones."""
    return [actor for actor in everyone() if not actor.options.get("internal")]


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
