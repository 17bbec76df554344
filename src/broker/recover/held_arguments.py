"""Jobs held because their arguments do not fit: released by a process whose code accepts them, as after a rolling deploy.

A living worker with older code would hold them again, so they wait until the worker that held them is gone.
"""

from __future__ import annotations

from typing import Any

from dramatiq.broker import Broker

from ...actor_schema.signature import Signature
from ...jobs.control import held
from ...jobs.core.errors import JobsError
from ...jobs.core.guards import guarded
from ...logs import get_logger
from ...sql.database import read, write

log = get_logger(__name__)

#: jobs checked at once, and rejected jobs remembered by this process
AT_ONCE, REMEMBERED = 500, 20_000


class HeldArguments:
    """Releases held jobs whose arguments fit now. The code of a process does not change, so each job is checked once."""

    def __init__(self) -> None:
        self._after = 0
        self._unfit: set[tuple[int, int]] = set()  # (seq, attempt)

    def run_once(self, broker: Broker) -> int:
        """Check the next held jobs and release those that fit; return their number."""
        with read() as session:
            found = held.for_arguments(session, broker.actors.keys(), after=self._after, limit=AT_ONCE)
        self._after = found[-1].seq if len(found) == AT_ONCE else 0
        if len(self._unfit) > REMEMBERED:
            self._unfit.clear()
        fitting = []
        for job in found:
            if (job.seq, job.attempt) in self._unfit:
                continue
            if fits(broker.actors[job.actor or ""], job.args, job.kwargs):
                fitting.append(job.seq)
            else:
                self._unfit.add((job.seq, job.attempt))
        if fitting:
            with write() as session:
                released = held.release_fitting(session, fitting)
            log.info("held_jobs_fit_again", jobs=released)
        return len(fitting)


def fits(actor: Any, args: Any, kwargs: Any) -> bool:
    """True if the actor's code accepts these arguments."""
    signature = Signature.of(actor)
    with guarded("arguments_not_judged", actor=actor.actor_name):
        try:
            if signature.needs_coercion:
                signature.coerce(args, kwargs)
        except (JobsError, ValueError):
            return False
        return signature.fits(args, kwargs) is None
    return False
