"""Load on an otherwise idle machine: one job after the other through the workers' writes, each timed."""

from __future__ import annotations

import time
from functools import partial

from bench.sides import measured
from bench.site import Site
from src.jobs.core.states import Outcome, State
from src.jobs.finish.settle import Finished, settle_alone
from src.jobs.leases import claims, workers
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_alone
from src.sql.clock import now
from src.sql.columns import to_microseconds
from src.sql.database import get_database

#: seconds between two jobs
BREATH_S = 0.05


def steady(site: Site, seconds: float) -> list[float]:
    """Seconds that each job's three writes took, one job after the other."""
    with site.database.write() as session:
        worker = workers.register(session, name="steady", host="", pid=0, version="", threads=1, queues=[], actors=[])
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(BREATH_S)
        took.append(_lived(worker))
        with site.database.write() as session:
            workers.heartbeat(session, worker, busy=0, frontier={})
    with site.database.write() as session:
        workers.sign_off(session, worker)
    return took


def _lived(worker: int) -> float:
    """Seconds that a job took to be submitted, claimed and ended: a commit each, as workers make them."""
    write, begun = get_database().direct.write, time.perf_counter()
    receipt = write(partial(submit_alone, submission=Submission(measured.once.message("steady"))), flush=False)
    assert receipt is not None
    [claimed] = write(partial(claims.claim, worker_id=worker, wanted=[(receipt[0].id, 1)]), flush=False)
    present = to_microseconds(now())
    end = Finished(
        seq=claimed.seq, id=claimed.id, attempt=1, state=State.SUCCEEDED, outcome=Outcome.SUCCEEDED, started_us=present, finished_us=present,
        result='"steady"',
    )  # fmt: skip
    assert write(partial(settle_alone, finished=[end], worker_id=worker, worker="steady"))
    return time.perf_counter() - begun
