"""`python -m bench.console --jobs 1000000 --store sqlite`: response times of every page and every GET of the API with this many jobs.

Fills a database by direct inserts, then requests each address through the application, in turn, and prints p50, p95 and
the longest, slowest first: to the first byte, which is the whole of all but downloads. Before each round it counts rows
as a scheduler does. `--explain` prints the slowest statement of each address over the limit with its plan.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, insert, select

from bench.filling import ACTORS, QUEUES, fill, searched, settle
from bench.furnishing import furnish
from bench.page_table import addresses
from bench.services import Services
from bench.year_of_statistics import fill as fill_statistics
from src.audit.models import AuditEntry
from src.importing import collect_rarely
from src.jobs.search import texts
from src.migrations import migrate
from src.operations.people import sessions
from src.operations.people.models import User
from src.operations.people.roles import Role
from src.scheduling import housekeeping
from src.sql.clock import now
from src.sql.database import Database, get_database, read, use_database, write
from src.web import create_app
from src.web.auth.access import SESSION_KEY

#: milliseconds that nineteen of twenty requests may take, up to a million jobs, and with more
LIMIT_MS, LARGE_LIMIT_MS, LARGE = 100.0, 150.0, 1_000_000
#: jobs per second of the year whose statistics the charts show
RATE = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--url", help="a database to fill, or one that was filled before, instead of one that is thrown away")
    parser.add_argument("--only", default="", help="addresses that contain this")
    parser.add_argument("--explain", action="store_true", help="print the slowest statement of each slow address and its plan")
    options = parser.parse_args()
    limit = LIMIT_MS if options.jobs <= LARGE else LARGE_LIMIT_MS
    with _database_url(options.store, options.url) as url:
        os.environ["CALLBOARD_DATABASE_URL"] = url
        _prepare(url, options.jobs)
        client = _signed_in(create_app())
        with read() as session:
            paths = [path for path in addresses(session, client.application.url_map.iter_rules()) if options.only in path]
        took = _measure(client, paths, options.rounds)
        slow = [path for path in paths if _p95(took[path]) > limit]
        if options.explain:
            for path in slow:
                _explain(client, path)
    if slow:
        sys.exit(f"p95 is over {limit:g} ms: {', '.join(slow)}")


def _prepare(url: str, jobs: int) -> None:
    migrate(url)
    use_database(Database(url))
    begun = time.monotonic()
    texts.search_fields.connect(searched)
    fill(get_database(), jobs)
    with read() as session:
        if session.execute(select(AuditEntry.seq).limit(1)).first() is not None:
            return
    furnish(get_database())
    fill_statistics(get_database(), RATE, {actor: QUEUES[number % len(QUEUES)] for number, actor in enumerate(ACTORS)})
    settle(get_database())
    print(f"{jobs:,} jobs and what belongs to them inserted in {time.monotonic() - begun:.0f} s", flush=True)


def _measure(client: Any, paths: list[str], rounds: int) -> dict[str, list[float]]:
    answers = {path: client.get(path, buffered=True).status for path in paths}
    for path in [path for path in paths if answers[path][0] not in "23"]:
        print(f"not measured: {path} answers {answers[path]}")
        paths.remove(path)
    collect_rarely()  # as a worker of the front end
    took, cpu = (dict[str, list[float]]((path, []) for path in paths) for _ in range(2))
    for _ in range(rounds):
        housekeeping.count_rows()
        for path in paths:
            begun, used = time.perf_counter(), time.process_time()
            response = client.get(path)
            took[path].append((time.perf_counter() - begun) * 1000)
            cpu[path].append((time.process_time() - used) * 1000)
            response.get_data()
            response.close()
    print(
        f"\n{'address':<60} {'p50':>7} {'p95':>7} {'longest':>8} {'CPU p50':>8} {'CPU p95':>8}  ms, {rounds} requests each; load {os.getloadavg()[0]:.1f}"
    )
    for path in sorted(paths, key=lambda path: -_p95(took[path])):
        each = took[path]
        print(
            f"{path:<60} {statistics.median(each):7.0f} {_p95(each):7.0f} {max(each):8.0f} {statistics.median(cpu[path]):8.0f} {_p95(cpu[path]):8.0f}"
        )
    return took


def _explain(client: Any, path: str) -> None:
    """Print the statements of one request that take longest, and the plan of the first."""
    seen: list[tuple[float, str, Any]] = []
    engine = get_database().engine

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, context: Any, _many: bool) -> None:
        seen.append((time.perf_counter() - context.begun, statement, values))

    def begin(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.begun = time.perf_counter()

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", note)
    client.get(path, buffered=True)
    event.remove(engine, "before_cursor_execute", begin)
    event.remove(engine, "after_cursor_execute", note)
    seen.sort(key=lambda each: -each[0])
    print(f"\n{path}: {len(seen)} statements, {sum(each[0] for each in seen) * 1000:.0f} ms")
    for seconds, statement, _ in seen[:4]:
        print(f"  {seconds * 1000:6.1f} ms  {' '.join(statement.split())[:400]}")
    verb = "EXPLAIN QUERY PLAN" if get_database().is_sqlite else "EXPLAIN (ANALYZE, BUFFERS)"
    with engine.connect() as connection:
        for row in connection.exec_driver_sql(f"{verb} {seen[0][1]}", seen[0][2]):
            print(f"    {row[-1]}")


def _p95(each: list[float]) -> float:
    return statistics.quantiles(each, n=20, method="inclusive")[-1]


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
