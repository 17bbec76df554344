"""Guard for one item of a loop: an error of one job, group or schedule must not block the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...logs import get_logger
from ...sql.outages import is_outage

log = get_logger(__name__)

#: seconds within which the same error is counted instead of logged again
AGAIN_S = 60.0

_lock = threading.Lock()
_known: dict[tuple[str, str], tuple[float, int]] = {}  # (event, type) -> when it was logged, and occurrences since


@contextmanager
def guarded(event: str, **item: Any) -> Iterator[None]:
    """Log an error of this item and go on; repetitions within a minute are counted. A database outage concerns all items and is raised.

    If the item has written something, open a savepoint inside: `with guarded("…"), session.begin_nested():`
    """
    try:
        yield
    except Exception as error:
        if is_outage(error):
            raise
        seen = _count(event, type(error).__name__)
        if seen is not None:
            log.exception(event, seen_again=seen, **item)


def _count(event: str, kind: str) -> int | None:
    """Return how often this error has occurred since it was logged; None: too recent to log again."""
    present = time.monotonic()
    with _lock:
        logged, seen = _known.get((event, kind), (-AGAIN_S, 0))
        if present - logged < AGAIN_S:
            _known[event, kind] = logged, seen + 1
            return None
        _known[event, kind] = present, 0
        return seen
