"""Early actors: actors that a program declares before it imports the package of actors, which then adopts them.

Dramatiq would declare them on a broker of its own on this machine, which refuses Callboard's options and sends around
Callboard.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NoReturn

import dramatiq
from dramatiq import Message, Middleware
from dramatiq.broker import Broker

_PACKAGE = __name__.partition(".")[0]


class EarlyActors(Broker):
    """Dramatiq's default broker until the package of actors is imported. Sending imports that, and passes the message on."""

    def __init__(self) -> None:
        super().__init__(middleware=[])

    @property
    def actor_options(self) -> set[str]:
        """Names of the options of Callboard's actors; Dramatiq checks them when an actor is declared."""
        known: set[str] = import_module(f"{_PACKAGE}.broker.jobs_broker").known_options()
        return known

    @actor_options.setter
    def actor_options(self, names: set[str]) -> None:
        """Ignore the empty set of Dramatiq's constructor."""

    def declare_queue(self, queue_name: str) -> None:
        self.queues[queue_name] = queue_name

    def add_middleware(self, middleware: Middleware, **position: Any) -> None:
        self._final("add middleware").add_middleware(middleware, **position)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        return self._final(f"send {message.actor_name}").enqueue(message, delay=delay)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> NoReturn:
        raise RuntimeError(
            f"This worker has not imported {_PACKAGE}.actors. Start it with `dramatiq {_PACKAGE}.actors`, and name this module in CALLBOARD_ACTORS."
        )

    def _final(self, action: str) -> Broker:
        """Return Callboard's broker. Raises RuntimeError if the program has set another one since."""
        broker = dramatiq.get_broker()
        if broker is self:
            import_module(f"{_PACKAGE}.actors")  # sets it
            broker = dramatiq.get_broker()
        final: type[Broker] = import_module(f"{_PACKAGE}.broker.jobs_broker").JobsBroker
        if not isinstance(broker, final):
            raise RuntimeError(
                f"Cannot {action}: the actor was declared before dramatiq.set_broker({type(broker).__name__}). Set the broker before any actor is"
                f" declared, or import {_PACKAGE}.actors instead, to run it as a job of Callboard."
            )
        return broker


def hold() -> None:
    """Hold the actors that are declared from now on, unless the program has a broker already."""
    if dramatiq.broker.global_broker is None:
        dramatiq.set_broker(EarlyActors())


def adopt(actor: str) -> None:
    """Import the package of actors, which adopts this one, if it is held here."""
    broker = dramatiq.broker.global_broker
    if isinstance(broker, EarlyActors) and actor in broker.actors:
        import_module(f"{_PACKAGE}.actors")
