"""`python -m bench.console --jobs 1000000 --store sqlite`: response times of the most-used pages with this many jobs.

Fills a database by direct inserts, then requests each page through the application, in turn, and prints p50, p95 and
the longest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import quote

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from bench.filling import fill
from bench.services import Services
from src.jobs.core.models import FailureGroup, Job
from src.jobs.core.states import State
from src.jobs.failures import counting
from src.jobs.search import texts
from src.migrations import migrate
from src.operations.people import sessions
from src.operations.people.models import User
from src.operations.people.roles import Role
from src.sql.clock import now
from src.sql.database import Database, get_database, read, use_database, write
from src.web import create_app
from src.web.auth.access import SESSION_KEY

#: milliseconds that nineteen of twenty requests may take
LIMIT_MS = 300.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--url", help="a database to fill, or one that was filled before, instead of one that is thrown away")
    options = parser.parse_args()
    with _database_url(options.store, options.url) as url:
        os.environ["CALLBOARD_DATABASE_URL"] = url
        slow = _measure(url, options.jobs, options.rounds)
    if slow:
        sys.exit(f"p95 is over {LIMIT_MS:g} ms: {', '.join(slow)}")


def _measure(url: str, jobs: int, rounds: int) -> list[str]:
    migrate(url)
    use_database(Database(url))
    with read() as session:
        there = session.execute(select(Job.seq).limit(1)).first() is not None
    if not there:
        begun = time.monotonic()
        fill(get_database(), jobs)
        print(f"{jobs:,} jobs inserted in {time.monotonic() - begun:.0f} s")
    texts.search_fields.connect(lambda _actor, _args, kwargs: dict(kwargs))  # the actors of these jobs are loaded nowhere
    begun, written = time.monotonic(), 0
    notes: list[Callable[[Session], int]] = [partial(texts.write_new, limit=10_000), partial(counting.note_new, limit=10_000)]
    for note in notes:
        noted = 10_000
        while noted == 10_000:
            with write() as session:
                noted = note(session)
            written += noted
    with get_database().engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # As PostgreSQL does by itself within minutes of so many rows: what is measured is a database of months.
        connection.exec_driver_sql("ANALYZE" if get_database().is_sqlite else "VACUUM ANALYZE")
    print(f"{written:,} texts and failures noted in {time.monotonic() - begun:.0f} s")
    client = _signed_in(create_app())
    pages = _pages()
    for path in pages.values():
        assert client.get(path, buffered=True).status_code == 200, path
    took: dict[str, list[float]] = {name: [] for name in pages}
    for _ in range(rounds):
        for name, path in pages.items():
            begun = time.perf_counter()
            client.get(path, buffered=True)
            took[name].append((time.perf_counter() - begun) * 1000)
    print(f"\n{'page':<44} {'p50':>7} {'p95':>7} {'longest':>8}  ms, {rounds} requests each")
    for name, each in took.items():
        print(f"{name:<44} {statistics.median(each):7.0f} {_p95(each):7.0f} {max(each):8.0f}")
    return [name for name, each in took.items() if _p95(each) > LIMIT_MS]


def _p95(each: list[float]) -> float:
    return statistics.quantiles(each, n=20, method="inclusive")[-1]


def _pages() -> dict[str, str]:
    with read() as session:
        dead = select(Job.id).where(Job.state == State.DEAD).order_by(Job.seq).limit(1)
        newest = select(Job.id).where(Job.seq == select(func.max(Job.seq) / 2).scalar_subquery())
        fingerprint = session.execute(select(FailureGroup.fingerprint).limit(1)).scalar()
        group = {"one error group": f"/errors/{fingerprint}"} if fingerprint else {}
        ids = {"dead": session.execute(dead).scalar_one(), "middle": session.execute(newest).scalar_one()}
    queries = (
        "", "state:dead", "state:succeeded", "state:failed actor:orders.check", "actor:mails.send queue:slow", "user:person7", "user:nobody", "created:today",
        "created:<20d state:dead", "duration:>40s", "wait:>5s", "error:TimeoutError", "worker:host1:1001", "source:schedule -state:succeeded", "is:stalled",
        "person1234567", "arg.customer:1234567", "ja_jp state:dead", "nothing-has-this", "key:nobody",
    )  # fmt: skip
    pages = {"overview": "/", **{f"jobs {query or '(all)'}": f"/jobs?q={quote(query)}" for query in queries}}
    pages |= {f"one {name} job": f"/jobs/{id}" for name, id in ids.items()}
    return pages | {
        "API jobs state:dead": "/api/v1/jobs?q=state:dead&limit=200",
        "queues": "/queues",
        "held": "/held",
        "workers": "/workers",
        "errors": "/errors",
        **group,
    }


def _signed_in(app: Any) -> Any:
    client = app.test_client()
    with write() as session, client.session_transaction() as cookie:
        user = insert(User).values(name=f"bench {time.time()}", password_hash="", role=Role.ADMIN, created_at=now())
        cookie[SESSION_KEY] = sessions.start(session, session.execute(user.returning(User.id)).scalar_one(), address="", browser="")
    return client


@contextmanager
def _database_url(store: str, given: str | None) -> Iterator[str]:
    if given:
        yield given
        return
    with Services() as services, services.place() as place:
        yield f"sqlite:///{place.sqlite_file}" if store == "sqlite" else place.postgresql_url


if __name__ == "__main__":
    main()
