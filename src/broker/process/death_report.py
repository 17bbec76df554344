"""Death report: a process, started by the watchdog, that records in SQL how a worker process died.

So the worker's jobs are queued again at once instead of when its lease expires. The reason names the signal, and only
the attempts in its threads are blamed.
"""

from __future__ import annotations

import json
import sys
import time

from ...jobs.leases import workers
from ...jobs.leases.workers import Death
from ...logs import configure_logs, get_logger
from ...settings import get_settings
from ...sql.database import get_database
from ...sql.outages import is_outage
from ..core.connections import pauses

log = get_logger(__name__)

#: lease durations after which the relays have long taken over
GIVE_UP_AFTER = 3


def main() -> None:
    """Read the death from standard input and record it."""
    configure_logs()
    report = json.load(sys.stdin)
    death = Death(report["worker_id"], report["how"], frozenset((seq, attempt) for seq, attempt in report["started"]))
    deadline = time.monotonic() + GIVE_UP_AFTER * get_settings().lease_duration
    for pause in pauses():
        try:
            # Not by write(): a deleted database must not be created again.
            if get_database().exists():
                with get_database().session() as session, session.begin():
                    taken = workers.report_death(session, death)
                log.warning("worker_death_reported", worker_id=death.worker_id, how=death.how, jobs=taken)
            return
        except Exception as error:
            if not is_outage(error):
                raise
            if time.monotonic() + pause > deadline:
                return  # the lease has expired by now, and a relay has seen it
            time.sleep(pause)
