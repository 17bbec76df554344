"""Actions of a person on one job: the same names on pages, in the API and at the terminal."""

from __future__ import annotations

from sqlalchemy.orm import Session

from src.jobs import control
from src.jobs.models import Job

_CALLS = {
    "retry": control.retry,
    "cancel": control.cancel,
    "run-now": control.run_now,
    "release": control.release,
    "discard": control.discard,
    "stack": control.stack,
}


def act(session: Session, id: str, action: str) -> Job:
    """Apply an action to the job of this id; raises UnknownJob or NotAllowed."""
    return _CALLS[action](session, id)
