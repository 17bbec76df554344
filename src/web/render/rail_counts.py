"""Counts beside the menu's entries: what waits for an operator. Cached for a few seconds per set of visible actors."""

from __future__ import annotations

import threading
import time
from typing import Any

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from ...jobs import State
from ...jobs.alerts import alerts
from ...jobs.read import queries
from ...operations.people import permissions
from ...sql import database
from ...sql.database import get_database

#: seconds that a process shows the same counts
FRESH_S = 5
_kept: dict[object, tuple[float, dict[str, tuple[str, str]]]] = {}
_lock = threading.Lock()


def init(app: Flask) -> None:
    """Register the counts for templates."""
    app.jinja_env.globals["rail_counts"] = counts


def counts() -> dict[str, tuple[str, str]]:
    """Map the pages with something to do to its number and its word. An unreachable database gives none: the page itself reports it."""
    key, present = (str(get_database().url), permissions.in_force()), time.monotonic()
    with _lock:
        for each in [each for each, (kept_at, _) in _kept.items() if present - kept_at > FRESH_S]:
            del _kept[each]
        if key in _kept:
            return _kept[key][1]
    try:
        found = _counts()
    except SQLAlchemyError:
        return {}
    with _lock:
        _kept[key] = (present, found)
    return found


def _counts() -> dict[str, tuple[str, str]]:
    with database.read() as session:
        dead, held = (queries.count_backlog(session, state, up_to=queries.MOST_COUNTED) for state in (State.DEAD, State.HELD))
        active: list[Any] = alerts.unmuted(session)
    found = {"jobs": (dead, State.DEAD.value), "held": (held, State.HELD.value), "alerts": (len(active), "active")}
    return {
        page: (f"{queries.MOST_COUNTED - 1}+" if number >= queries.MOST_COUNTED else str(number), word)
        for page, (number, word) in found.items()
        if number
    }
