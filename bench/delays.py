"""100,000 jobs for next year and a backlog of 10,000: does a job that is due in a moment start at its instant?

    .venv/bin/python -m bench.delays --store postgresql

The delayed jobs are rows for next year; the backlog is queued, in RabbitMQ and in SQL, in a queue that these workers do not serve, so
that they are free. Then probes are submitted that are due in 1 to 20 seconds, at random instants; each notes how late it starts.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

from bench.sides import measured
from bench.site import Site, megabytes, open_site, parser, share, tell, until
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_many
from tests.harness.fleet import _children

#: jobs in one transaction
TOGETHER = 1000
#: milliseconds
PROMISED_P99_MS = 250
#: a worker's memory may grow by so much (MB) and still be called flat
FLAT_MB = 15


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--delayed", type=int, default=100_000)
    options.add_argument("--queued", type=int, default=10_000)
    options.add_argument("--probes", type=int, default=300, help="of each round")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with open_site(chosen.store) as site:
        begun = time.monotonic()
        next_year = datetime.now(UTC) + timedelta(days=365)
        _submit(site, [Submission(measured.idle.message(n), due_at=next_year + timedelta(seconds=n)) for n in range(chosen.delayed)])
        _submit(site, [Submission(measured.idle.message(n)) for n in range(chosen.queued)])
        loaded = time.monotonic() - begun
        with site.worker("-Q", "probes") as one, site.worker("-Q", "probes") as other:
            site.wait_for_workers(2)
            processes = [child for group in (one, other) for child in _children(group.pid)]
            _round(site, 20)  # connections are opened, code is warm
            before = [megabytes(pid) for pid in processes]
            warm = len(site.lines())
            for _ in range(chosen.rounds):
                _round(site, chosen.probes)
            after = [megabytes(pid) for pid in processes]
        late = [(float(started) - float(due)) * 1000 for due, started in site.lines()[warm:]]
    grown = max(end - start for start, end in zip(before, after, strict=True))
    tell(
        "delays",
        chosen.store,
        [
            f"{chosen.delayed} delayed to next year and {chosen.queued} queued, submitted in {loaded:.0f} s",
            f"{len(late)} probes: late by p50 {share(late, 0.5):.1f} ms, p99 {share(late, 0.99):.1f} ms, most {max(late):.1f} ms, least {min(late):.1f} ms",
            f"worker processes {', '.join(f'{size:.0f}' for size in after)} MB, grown by at most {grown:.1f} MB",
        ],
        [
            (f"p99 within {PROMISED_P99_MS} ms of the instant", share(late, 0.99) <= PROMISED_P99_MS),
            ("never early", min(late) >= 0),
            ("every probe ran once", len(late) == chosen.rounds * chosen.probes),
            (f"worker memory flat (within {FLAT_MB} MB)", grown <= FLAT_MB),
        ],
    )


def _round(site: Site, probes: int) -> None:
    """Submit probes that are due in 1 to 20 seconds, and wait until all have run."""
    already, chance, present = len(site.lines()), random.Random(probes), time.time()
    instants = [present + chance.uniform(1, 20) for _ in range(probes)]
    _submit(site, [Submission(measured.probe.message(due), due_at=datetime.fromtimestamp(due, UTC)) for due in instants])
    until(lambda: len(site.lines()) >= already + probes, 60, "all probes have run")


def _submit(site: Site, submissions: list[Submission]) -> None:
    for start in range(0, len(submissions), TOGETHER):
        with site.database.write() as session:
            submit_many(session, submissions[start : start + TOGETHER])


if __name__ == "__main__":
    main()
