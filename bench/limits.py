"""A limit of 100 per minute over four worker processes, with 2,000 jobs waiting: exact, fully used, and no obstacle to other jobs?

    .venv/bin/python -m bench.limits --store postgresql --minutes 5

The actor records every start itself. Meanwhile a job of another actor is submitted to the same queue each half second.
"""

from __future__ import annotations

import time

from sqlalchemy import select

from bench.sides import measured
from bench.site import Site, open_site, parser, share, tell
from src.jobs import submit
from src.jobs.core.models import Attempt, Job
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_many

LIMIT, WINDOW_S = 100, 60.0
#: part of the allowed starts that must be used
USED = 0.98
#: milliseconds within which other actors' jobs start meanwhile (p99)
AT_ONCE_MS = 250
#: seconds between two jobs of the other actor
PACE_S = 0.5


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument("--jobs", type=int, default=2000)
    options.add_argument("--workers", type=int, default=4)
    chosen = options.parse_args()
    with open_site(chosen.store) as site, site.fleet(chosen.workers) as fleet:
        with site.database.write() as session:
            submit_many(session, [Submission(measured.limited.message(number)) for number in range(chosen.jobs)])
        begun = time.time()
        while time.time() < begun + chosen.minutes * 60:
            _send_other(site)
            time.sleep(PACE_S)
        ended = time.time()
        lines = site.lines()
        with site.database.read() as session:
            of_limited = select(Attempt.started_at).join(Job, Job.seq == Attempt.job_seq).where(Job.actor == measured.limited.actor_name)
            claimed = sorted(instant.timestamp() for instant in session.execute(of_limited).scalars())
        restarts = sum(part.starts - 1 for part in fleet.parts)
    starts = sorted(float(words[1]) for words in lines if words[0] == "limited" and float(words[1]) <= ended)
    processes = {words[2] for words in lines if words[0] == "limited"}
    others = [(float(words[1]) - float(words[2])) * 1000 for words in lines if words[0] == "unlimited"]
    slow = [
        f"{float(words[2]) - begun:.0f} s"
        for words in lines
        if words[0] == "unlimited" and float(words[1]) - float(words[2]) > AT_ONCE_MS / 1000
    ]
    with_sql = crowd(claimed, WINDOW_S)
    allowed = LIMIT * (ended - starts[0]) / WINDOW_S
    most = crowd(starts, WINDOW_S)
    tell(
        "limits",
        chosen.store,
        [
            f"{len(starts)} starts in {ended - starts[0]:.0f} s over {len(processes)} processes, {restarts} restarts; allowed {allowed:.0f}",
            f"most in any {WINDOW_S:.0f} s: {most} by the actor's own clock, {with_sql} by the rows; used {len(starts) / allowed * 100:.1f} %",
            f"{len(others)} jobs of another actor meanwhile: started after p50 {share(others, 0.5):.1f} ms, p99 {share(others, 0.99):.1f} ms, most {max(others):.0f} ms",
            f"those over {AT_ONCE_MS} ms were submitted {', '.join(slow) or 'never'} after the beginning",
        ],
        [
            (f"never more than {LIMIT} starts in any {WINDOW_S:.0f} s", most <= LIMIT),
            (f"at least {USED * 100:.0f} % of the allowed starts used", len(starts) >= USED * allowed),
            (f"another actor's jobs start at once (p99 within {AT_ONCE_MS} ms)", share(others, 0.99) <= AT_ONCE_MS),
        ],
    )


def crowd(starts: list[float], window_s: float) -> int:
    """The most starts in any half-open window of that length; every such window that is full begins at a start."""
    most = first = 0
    for last, start in enumerate(starts):
        while start - starts[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def _send_other(site: Site) -> None:
    with site.database.write() as session:
        submit(session, measured.unlimited.message(time.time()))


if __name__ == "__main__":
    main()
