"""Unheld jobs: by SQL they run in this process, which does not hold them, because the answer to their claim's commit was lost."""

from __future__ import annotations

from datetime import timedelta

from ...jobs.leases import claims, workers
from ...logs import get_logger
from ...settings import get_settings
from ...sql.clock import now
from ...sql.database import get_database, write
from ..core.lease import Lease

log = get_logger(__name__)


class UnheldJobs:
    """Only jobs found at two checks count: between them every claim and every end has been recorded here, too."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._found: set[tuple[int, int]] = set()

    def hand_back(self) -> None:
        """Queue the unheld jobs again."""
        limit = now() - timedelta(seconds=get_settings().lease_duration)
        leased = get_database().direct.read(lambda one: workers.leased_to(one, self._lease.worker_id, claimed_before=limit))
        unheld = leased - self._lease.held.keys()
        again = unheld & self._found
        self._found = unheld - again
        if again:
            with write() as session:
                claims.give_back(session, self._lease.worker_id, list(again))
            log.warning("unheld_jobs_handed_back", jobs=len(again))
