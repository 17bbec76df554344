"""Actions on one job, with the same names on pages, in the API and at the terminal."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ....jobs.control import actions
from ....jobs.core.models import Job

_CALLS = {
    "retry": actions.retry,
    "cancel": actions.cancel,
    "run-now": actions.run_now,
    "release": actions.release,
    "discard": actions.discard,
    "stack": actions.stack,
}


def act(session: Session, id: str, action: str) -> Job:
    """Apply an action to the job of this id; raises UnknownJob or NotAllowed."""
    return _CALLS[action](session, id)
