"""Heartbeat: the row by which one thread of this process shows the others that it runs."""

from __future__ import annotations

import time
from typing import Any

from ...jobs.leases import heartbeats
from ...jobs.leases.heartbeats import Role
from ...logs import get_logger
from ...settings import get_settings
from ...sql.database import get_database, write
from ..publish import publisher

log = get_logger(__name__)


class Beat:
    """The heartbeat of one thread, which calls `beat` in each iteration."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.living = 1  # processes of this role, this one included
        self._id = 0
        self._due = 0.0

    def beat(self) -> None:
        """Renew the heartbeat if it is due; raises the database's errors."""
        present = time.monotonic()
        if present < self._due:
            return
        state: dict[str, Any] = {"role": self.role, "lease_s": get_settings().lease_duration, "broker": publisher.trouble()}
        # A power failure may undo a heartbeat: nothing depends on an earlier one.
        living = self._id and get_database().direct.write(lambda one: heartbeats.renew(one, self._id, **state), flush=False)
        if not living:
            with write() as session:
                self._id = heartbeats.register(session, **state)
        self.living = max(1, living)
        self._due = present + get_settings().heartbeat_interval

    def sign_off(self) -> None:
        """Record the graceful end; without SQL the heartbeat expires by itself."""
        if not self._id:
            return
        try:
            with write() as session:
                heartbeats.sign_off(session, self._id)
        except Exception as error:  # noqa: BLE001 - the process ends all the same
            log.warning("sign_off_failed", detail=type(error).__name__)
