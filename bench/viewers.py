"""Fifty viewers of live pages of one web front end: are workers slowed down, does its memory grow, do closed laptops hold streams?

    .venv/bin/python -m bench.viewers --store postgresql --minutes 2

Drains, and single jobs on an idle machine, alternate with and without the viewers in one run. Half of the viewers look
at jobs of the drain, half at jobs that wait.
"""

from __future__ import annotations

import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, update

from bench.audience import Audience, fall_asleep, held
from bench.baselines import ROOT
from bench.processes import Group, cpu_seconds
from bench.sides import measured
from bench.site import Site, megabytes, open_site, parser, tell, until
from bench.steady import steady
from src.jobs.core.models import Attempt, Job
from src.jobs.core.states import State
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_many
from src.operations.people.sessions import one_time_link
from src.operations.people.users import ensure_admin
from src.sql.clock import now
from tests.harness.breakable import web_command

#: part of the speed without viewers that must be left with them
UNHARMED = 0.95
#: megabytes that the web processes may have grown between the first half minute and the last
GROWTH_MB = 5.0
#: seconds of each load that leaves the machine time
STEADY_S = 5.0
#: seconds until the front end has noticed that closed pages are gone
LEFT_S = 6.0
#: seconds within which a closed laptop's stream must be gone
GONE_S = 60.0


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--viewers", type=int, default=50)
    options.add_argument("--jobs", type=int, default=20_000, help="jobs of each drain")
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--minutes", type=float, default=2.0, help="for how long memory is looked at")
    chosen = options.parse_args()
    with open_site(chosen.store) as site, front_end(site) as (web, url):
        cookie, memory = signed_in(url), {"at start": _memory(web.pid)}
        waiting = _waiting(site, chosen.viewers)
        rates: dict[str, list[float]] = {"without": [], "with": []}
        writes: dict[str, list[float]] = {"without": [], "with": []}
        cores: list[float] = []
        refused = 0

        def alone() -> None:
            writes["without"] += steady(site, STEADY_S)
            rates["without"].append(drain(site, submitted(site, chosen.jobs)))

        def looked_at() -> None:
            nonlocal refused
            ids = submitted(site, chosen.jobs)
            paths = [_path(id) for id in [*waiting, *reversed(ids)][chosen.viewers // 2 :][: chosen.viewers]]
            with Audience(url, cookie, paths) as audience:
                until(lambda: audience.messages >= 2 * chosen.viewers, 30, f"{chosen.viewers} pages are shown")
                refused += audience.refused
                spent, begun = cpu_seconds(web.pid), time.monotonic()
                rates["with"].append(drain(site, ids))
                cores.append((cpu_seconds(web.pid) - spent) / (time.monotonic() - begun))
                writes["with"] += steady(site, STEADY_S)
            time.sleep(LEFT_S)

        for turn in range(chosen.rounds):
            for part in (alone, looked_at) if turn % 2 == 0 else (looked_at, alone):  # a second drain may be faster than a first
                part()
        with Audience(url, cookie, [_path(id) for id in waiting]) as audience:
            until(lambda: audience.open >= chosen.viewers, 60, f"{chosen.viewers} streams are open")
            sleepers = [sleeper for id in waiting[:10] if (sleeper := fall_asleep(url, cookie, _path(id)))]
            asleep = len(sleepers)
            begun, gone = time.monotonic(), float("inf")
            during: list[float] = []
            while (elapsed := time.monotonic() - begun) < chosen.minutes * 60:
                _change(site, waiting)
                during.append(_memory(web.pid))
                if gone == float("inf") and not held(url, sleepers):
                    gone = elapsed
                time.sleep(1)
            told, opened = audience.messages, audience.opened
        memory |= {"first half minute": statistics.median(during[:30]), "last half minute": statistics.median(during[-30:])}
        time.sleep(5)
        memory["after"] = _memory(web.pid)
    quick, slow = statistics.median(writes["without"]), statistics.median(writes["with"])
    # All jobs by all seconds: single drains are a second or two long, and differ by a third.
    share = statistics.harmonic_mean(rates["with"]) / statistics.harmonic_mean(rates["without"])
    tell(
        "viewers",
        chosen.store,
        [
            *(f"jobs per second {name:<8} {' '.join(f'{rate:7.0f}' for rate in each)}" for name, each in rates.items()),
            f"drains with viewers {share * 100:.1f} % of without, by all jobs and seconds; {refused} streams refused",
            f"the web front end took {statistics.median(cores):.2f} of a core of the workers' machine meanwhile",
            f"the three writes of a job on a machine that has time: p50 {quick * 1000:.2f} ms without, {slow * 1000:.2f} with: {quick / slow * 100:.1f} %",
            f"memory of the web front end, {', '.join(f'{name} {size:.0f} MB' for name, size in memory.items())}",
            f"{told} messages to {chosen.viewers} viewers in {chosen.minutes:g} min, {opened} connections",
            f"{asleep} streams whose reader stopped without a word: all gone after {gone:.0f} s",
        ],
        [
            (f"drains that take every core unharmed (at least {UNHARMED * 100:.0f} %)", share >= UNHARMED),
            (f"writes unharmed (at least {UNHARMED * 100:.0f} %)", quick / slow >= UNHARMED),
            (f"memory flat (at most {GROWTH_MB:g} MB more)", memory["last half minute"] - memory["first half minute"] <= GROWTH_MB),
            (f"a closed laptop's stream is gone within {GONE_S:.0f} s", asleep > 0 and gone <= GONE_S),
            ("every viewer has a stream", refused == 0),
        ],
    )


@contextmanager
def front_end(site: Site) -> Iterator[tuple[Group, str]]:
    """The web front end, as it is delivered, and its address."""
    command, environment, url = web_command()
    program = [sys.executable, "-m", *command]
    with Group(program, env={**site.environment, **environment}, cwd=ROOT, log=site.folder / "web.log") as group:
        until(lambda: _answers(url), 60, f"{url} answers; see {site.folder / 'web.log'}")
        yield group, url


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def signed_in(url: str) -> str:
    """The cookie of a browser that has looked around, so that every process has loaded what it needs."""
    ensure_admin()
    cookies = urllib.request.HTTPCookieProcessor()
    browser = urllib.request.build_opener(cookies)
    browser.open(one_time_link(url), timeout=30).close()
    for _ in range(10):
        for path in ("/", "/jobs", "/actors"):
            browser.open(url + path, timeout=30).close()
    return "; ".join(f"{each.name}={each.value}" for each in cookies.cookiejar)


def _path(id: str) -> str:
    return f"/jobs/{id}/events?after=0.0"


def _waiting(site: Site, count: int) -> list[str]:
    with site.database.write() as session:
        due = now() + timedelta(days=9)
        return [
            receipt.id for receipt in submit_many(session, [Submission(measured.once.message("later"), due_at=due) for _ in range(count)])
        ]


def _change(site: Site, ids: list[str]) -> None:
    """Give all viewers something new to see."""
    with site.database.write() as session:
        session.execute(update(Job).where(Job.id.in_(ids)).values(due_at=now() + timedelta(days=9)))


def submitted(site: Site, jobs: int) -> list[str]:
    """Submit so many jobs, 500 in one transaction; return their ids."""
    ids: list[str] = []
    for begin in range(0, jobs, 500):
        with site.database.write() as session:
            many = [Submission(measured.idle.message(number)) for number in range(begin, min(begin + 500, jobs))]
            ids += [receipt.id for receipt in submit_many(session, many)]
    return ids


def drain(site: Site, ids: list[str]) -> float:
    """Jobs per second from the first start to the last end, by the rows."""
    waits = select(func.count()).select_from(Job).where(Job.actor == measured.idle.actor_name, Job.state != State.SUCCEEDED)
    with site.worker():
        until(lambda: _asked(site, waits) == 0, 120, f"{len(ids)} jobs are done", look_s=0.2)
    with site.database.read() as session:
        seq = session.execute(select(Job.seq).where(Job.id == ids[0])).scalar_one()  # this batch is the newest
        attempts = select(func.min(Attempt.started_at), func.max(Attempt.finished_at)).where(Attempt.job_seq >= seq)
        first, last = session.execute(attempts).one()
    return len(ids) / float((last - first).total_seconds())


def _asked(site: Site, statement: object) -> int:
    with site.database.read() as session:
        return int(session.execute(statement).scalar_one())  # type: ignore[call-overload]


def _memory(pid: int) -> float:
    """Resident megabytes of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(megabytes(each) for each in (pid, *map(int, children)))


if __name__ == "__main__":
    main()
