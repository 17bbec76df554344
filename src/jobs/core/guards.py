"""A guard for each item of a loop over several: the error of one job, group or schedule must not keep the others waiting."""

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
_known: dict[tuple[str, str], tuple[float, int]] = {}  # (event, type) -> when it was logged, and how often it has been seen since


@contextmanager
def guarded(event: str, **item: Any) -> Iterator[None]:
    """Log an error of this item and go on; the same one again within a minute is counted. An outage of SQL concerns all items and is raised.

    Where the item has written something, a savepoint belongs inside: `with guarded("…"), session.begin_nested():`
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
    """How often this error was seen since it was logged; None: too lately to log it again."""
    present = time.monotonic()
    with _lock:
        logged, seen = _known.get((event, kind), (-AGAIN_S, 0))
        if present - logged < AGAIN_S:
            _known[event, kind] = logged, seen + 1
            return None
        _known[event, kind] = present, 0
        return seen
