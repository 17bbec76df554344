"""Metering: this process's own numbers for Prometheus, such as durations of attempts, claims, commits and late ticks.

The law of this room: it alone knows Prometheus' client, and while CALLBOARD_METRICS_PORT is 0 that is not even imported. `active()` is
None then, and that is all that the other rooms ask. Labels are names that the code has, never ids. What the fleet as a whole does is
told by the web front end, out of SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...logs import get_logger
from ...settings import get_settings

if TYPE_CHECKING:
    from .meters import Meters

log = get_logger(__name__)

_active: Meters | None = None


def active() -> Meters | None:
    """The numbers of this process; None: nobody wants any."""
    return _active


def start(role: str) -> Meters | None:
    """Count from here on, and tell whoever asks on a port of this process's own, if the settings want it. Safe to call again."""
    global _active
    if _active is None and get_settings().metrics_port:
        from . import exposing  # here: whoever wants no numbers has nothing to import
        from .meters import Meters

        _active = Meters(role)
        exposing.expose(_active, role)
    return _active


def stop() -> None:
    """Count no more, and give the port back."""
    global _active
    if _active is not None:
        from . import exposing  # here, as above

        exposing.close()
    _active = None
