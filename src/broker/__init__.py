"""HOW does it travel? Everything between a committed row and a running actor.

The law of this room: it is the only one that talks to RabbitMQ, and it decides nothing about jobs: it asks `jobs`.
There is one way into RabbitMQ: `jobs.submit` and the relay.
"""

from src.broker.jobs_broker import JobsBroker, build_broker
from src.broker.limiter_backend import SqlRateLimiterBackend
from src.broker.results import JobFailure, get, ready, state

__all__ = ["JobFailure", "JobsBroker", "SqlRateLimiterBackend", "build_broker", "get", "ready", "state"]
