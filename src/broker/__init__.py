"""Broker: everything between a committed row and a running actor.

The law of this room: it is the only one that talks to RabbitMQ, and it makes no decisions about jobs: it asks `jobs`.
There is one way into RabbitMQ: `jobs.submit` and the relay.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compat.handle import JobHandle, job
    from .compat.limiter_backend import SqlRateLimiterBackend
    from .compat.results import JobFailure, get, ready, state
    from .jobs_broker import JobsBroker, build_broker

__all__ = ["JobFailure", "JobHandle", "JobsBroker", "SqlRateLimiterBackend", "build_broker", "get", "job", "ready", "state"]

#: module of this room -> its names in `__all__`
_MODULES = {
    "compat.handle": ("JobHandle", "job"),
    "compat.limiter_backend": ("SqlRateLimiterBackend",),
    "compat.results": ("JobFailure", "get", "ready", "state"),
    "jobs_broker": ("JobsBroker", "build_broker"),
}


def __getattr__(name: str) -> Any:
    """Import a name at its first use: the supervisor of `./run up` needs small modules of this room only, and stays small."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
