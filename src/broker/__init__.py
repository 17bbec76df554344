"""Broker: everything between a committed row and a running actor.

The law of this room: it is the only one that talks to RabbitMQ, and it makes no decisions about jobs: it asks `jobs`.
There is one way into RabbitMQ: `jobs.submit` and the relay.
"""

from .compat.handle import JobHandle, job
from .compat.limiter_backend import SqlRateLimiterBackend
from .compat.results import JobFailure, get, ready, state
from .jobs_broker import JobsBroker, build_broker

__all__ = ["JobFailure", "JobHandle", "JobsBroker", "SqlRateLimiterBackend", "build_broker", "get", "job", "ready", "state"]
