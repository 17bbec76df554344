"""Hooks of Dramatiq's middleware around one message. Only overridden ones are called: two dozen empty calls cost more than the job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dramatiq import Middleware
from dramatiq.broker import Broker
from dramatiq.middleware import MiddlewareError

from ...logs import get_logger
from ..consume.deliveries import Delivery

log = get_logger(__name__)

#: the hooks called here, by Dramatiq's names; "after" hooks run in reverse order of the middleware
EVENTS = ("process_message", "skip_message", "ack", "nack")

#: events that follow the decision about an attempt's end
ACKS = ("ack", "nack")


class Hooks:
    """Calls the hooks that the broker's middleware overrides, in Dramatiq's order."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._before = {event: _overriding(broker, f"before_{event}") for event in EVENTS if hasattr(Middleware, f"before_{event}")}
        self._after = {event: _overriding(broker, f"after_{event}")[::-1] for event in EVENTS}

    def before(self, event: str, delivery: Delivery) -> None:
        """Call `before_<event>` of each middleware. Raises only MiddlewareError, such as SkipMessage, and none about an ack."""
        if hooks := self._before[event]:
            self._call(event, hooks, delivery)

    def after(self, event: str, delivery: Delivery, **values: Any) -> None:
        """Call `after_<event>` of each middleware, with the result or the exception in `values`."""
        if hooks := self._after[event]:
            self._call(event, hooks, delivery, **values)

    def _call(self, event: str, hooks: list[Callable[..., None]], delivery: Delivery, **values: Any) -> None:
        for hook in hooks:
            try:
                hook(self._broker, delivery, **values)
            except BaseException as error:
                # The end of an attempt is decided before its ack: a hook that raised then would leave the job running for ever.
                if isinstance(error, MiddlewareError) and event not in ACKS:
                    raise
                log.exception("middleware_failed", hook=getattr(hook, "__qualname__", repr(hook)))


def _overriding(broker: Broker, name: str) -> list[Callable[..., None]]:
    stock = getattr(Middleware, name)
    return [getattr(middleware, name) for middleware in broker.middleware if getattr(type(middleware), name) is not stock]
