"""Ten users browse a million jobs: does it slow down the workers' writes?

    .venv/bin/python -m bench.looking --store postgresql

Each opens another page every five seconds: the overview, filtered lists, a search in arguments, a job. Alternately with
and without them, in one run: jobs are drained as fast as possible, then single jobs go through their three writes
(submitted, claimed, ended), one every 50 ms, on an idle machine.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import func, select, update

from bench.filling import fill, searched, settle
from bench.site import Site, open_site, parser, share, tell
from bench.steady import steady
from bench.viewers import drain, front_end, signed_in, submitted
from src.jobs.core.models import Job
from src.jobs.core.states import FINAL, State
from src.jobs.search import texts

#: part of the speed without them that must be left with them
UNHARMED = 0.95
#: seconds between two pages of one person
THINKING_S = 5.0


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--jobs", type=int, default=1_000_000, help="jobs that are there")
    options.add_argument("--people", type=int, default=10)
    options.add_argument("--drained", type=int, default=20_000, help="jobs of each drain")
    options.add_argument("--steady", type=float, default=15.0, help="seconds of each steady load")
    options.add_argument("--rounds", type=int, default=4)
    chosen = options.parse_args()
    rates: dict[str, list[float]] = {"without": [], "with": []}
    writes: dict[str, list[float]] = {"without": [], "with": []}
    with open_site(chosen.store) as site:
        pages = _filled(site, chosen.jobs)
        looked: list[float] = []
        with front_end(site) as (_, url):
            cookie = signed_in(url)
            for _ in range(chosen.rounds):
                for how, people in (("without", 0), ("with", chosen.people)):
                    ids = submitted(site, chosen.drained)
                    with _people(url, cookie, pages, people) as seconds:
                        rates[how].append(drain(site, ids))
                        writes[how] += steady(site, chosen.steady)
                    looked += seconds
    quick, slow = statistics.median(writes["without"]), statistics.median(writes["with"])
    # All jobs by all seconds: single drains are a second or two long, and differ by a third.
    speed = statistics.harmonic_mean(rates["with"]) / statistics.harmonic_mean(rates["without"])
    tell(
        "looking",
        chosen.store,
        [
            f"{chosen.jobs:,} jobs; {chosen.people} people opened {len(looked)} pages, p50 {share(looked, 0.5) * 1000:.0f}, p95 {share(looked, 0.95) * 1000:.0f} ms",
            *(f"jobs per second {how:<8} {' '.join(f'{rate:7.0f}' for rate in each)}" for how, each in rates.items()),
            f"drains with them {speed * 100:.1f} % of those without, by all jobs and seconds",
            *(
                f"the three writes of a job {how:<8} p50 {statistics.median(each) * 1000:.2f}, p95 {share(each, 0.95) * 1000:.2f} ms ({len(each)})"
                for how, each in writes.items()
            ),
            f"writes as fast with them as {quick / slow * 100:.1f} % of without, by medians",
        ],
        [
            (f"drains unharmed (at least {UNHARMED * 100:.0f} %)", speed >= UNHARMED),
            (f"writes unharmed (at least {UNHARMED * 100:.0f} %)", quick / slow >= UNHARMED),
        ],
    )


def _filled(site: Site, jobs: int) -> Sequence[str]:
    """Insert the jobs of months; return what people open."""
    texts.search_fields.connect(searched)
    fill(site.database, jobs)
    with site.database.write() as session:
        # Their queues have no workers: otherwise waiting jobs would be published, and running ones taken over, during the measurement.
        session.execute(update(Job).where(Job.state.not_in(FINAL)).values(state=State.DEAD, publish_at=None, due_at=None, worker_id=None))
    settle(site.database)
    with site.database.read() as session:
        top = session.execute(select(func.max(Job.seq))).scalar_one()
        ids = session.execute(select(Job.id).where(Job.seq.in_([top // 5 * part for part in range(1, 5)]))).scalars().all()
    lists = ("state:dead", "actor:mails.send+queue:slow", "created:today", "error:TimeoutError", "user:person7", "duration:>40s")
    return [
        "/",
        "/jobs",
        *(f"/jobs?q={query}" for query in (*lists, "person1234567")),
        *(f"/jobs/{id}" for id in ids),
        "/queues",
        "/errors",
    ]


@contextmanager
def _people(url: str, cookie: str, pages: Sequence[str], number: int) -> Iterator[list[float]]:
    """So many people who open one page after the other; gives the seconds that each page took."""
    seconds: list[float] = []
    ending = threading.Event()

    def look(person: int) -> None:
        dice = random.Random(person)
        while not ending.wait(dice.uniform(0.5, 1.5) * THINKING_S if seconds else dice.uniform(0, THINKING_S)):
            begun = time.perf_counter()
            request = urllib.request.Request(url + dice.choice(pages), headers={"Cookie": cookie})
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
            seconds.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=look, args=(person,), daemon=True) for person in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield seconds
    finally:
        ending.set()
        for thread in threads:
            thread.join(60)


if __name__ == "__main__":
    main()
