"""Metering: this process's own Prometheus metrics, such as durations of attempts, claims, commits and late ticks.

The law of this room: it alone knows Prometheus' client. While CALLBOARD_METRICS_PORT is 0, only the web front end
imports it, for the metrics of the whole fleet (`exposition`). `active()` is None then, and other rooms check nothing
else. Labels are names from the code, never ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...logs import get_logger
from ...settings import get_settings

if TYPE_CHECKING:
    from .exposing import Endpoint
    from .meters import Meters

log = get_logger(__name__)

_active: Meters | None = None
_endpoint: Endpoint | None = None


def active() -> Meters | None:
    """Return the metrics of this process; None: metering is off."""
    return _active


def start(role: str) -> Meters | None:
    """Start counting, and serve the metrics on a port of this process's own if the settings ask for it. Safe to call again."""
    global _active, _endpoint  # one of each in a process
    if _active is None and get_settings().metrics_port:
        from . import exposing  # here: processes without metrics import nothing
        from .meters import Meters

        _active = Meters(role)
        _endpoint = exposing.expose(_active, role)
    return _active


def stop() -> None:
    """Stop counting and release the port."""
    global _active, _endpoint  # as above
    if _endpoint is not None:
        _endpoint.close()
    _active = _endpoint = None
