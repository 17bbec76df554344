"""Celery's names of states, and the state of a job in these names."""

from __future__ import annotations

from ..jobs.core.states import State
from .base.modules import absent

PENDING = "PENDING"
RECEIVED = "RECEIVED"
STARTED = "STARTED"
SUCCESS = "SUCCESS"
FAILURE = "FAILURE"
REVOKED = "REVOKED"
REJECTED = "REJECTED"
RETRY = "RETRY"
IGNORED = "IGNORED"

READY_STATES = frozenset({SUCCESS, FAILURE, REVOKED})
UNREADY_STATES = frozenset({PENDING, RECEIVED, STARTED, REJECTED, RETRY})
EXCEPTION_STATES = frozenset({RETRY, FAILURE, REVOKED})
PROPAGATE_STATES = frozenset({FAILURE, REVOKED})
ALL_STATES = frozenset({PENDING, RECEIVED, STARTED, SUCCESS, FAILURE, RETRY, REVOKED})

#: a job's state in Celery's names
OF_JOBS: dict[State, str] = {
    State.SCHEDULED: PENDING,
    State.QUEUED: PENDING,
    State.HELD: PENDING,
    State.RUNNING: STARTED,
    State.RETRYING: RETRY,
    State.SUCCEEDED: SUCCESS,
    State.DEAD: FAILURE,
    State.CANCELLED: REVOKED,
    State.EXPIRED: REVOKED,
}

__getattr__ = absent(__name__)
