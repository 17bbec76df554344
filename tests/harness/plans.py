"""Plans of recorded statements: which of them would read a whole table that grows with every job.

SQLite's plans do not depend on the number of rows while it has no statistics, so a small table shows them. PostgreSQL's
do: ask for them with a million rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from src.sql.database import Database

#: tables that grow with every job
GROWING = (
    "jobs", "attempts", "job_texts", "log_lines", "audit_lines", "schedule_ticks", "workflows", "workflow_steps", "workflow_edges", "batch_rows", "mails",
    "mail_deliveries", "webhook_deliveries", "job_statistics", "job_totals", "queue_depths", "worker_memory",
)  # fmt: skip
#: partial indexes that hold a row of few jobs: reading such an index as a whole is fine
SMALL = re.compile(
    r"ix_jobs_(state|publish|due|expires|waits_for|fair|queued|running|dead|backlog|rerun_of)|ix_attempts_unnoted|ix_\w+_open"
)
#: scans that are accepted: emails by state are counted for /mails and /metrics, and few workflows are searched for by a part of their name
ACCEPTED = re.compile(r"SCAN (mail_deliveries|workflows)|Seq Scan on (mail_deliveries|workflows)\b.*")

Recorded = dict[str, Any]


@contextmanager
def recorded(database: Database) -> Iterator[Recorded]:
    """Collect the distinct SELECTs of growing tables that are executed meanwhile, with their parameters."""
    found: Recorded = {}

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        if re.match(r"\s*(SELECT|WITH)", statement) and re.search(rf"\b({'|'.join(GROWING)})\b", statement):
            found.setdefault(statement, values)

    event.listen(database.engine, "after_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(database.engine, "after_cursor_execute", note)


def whole_reads(database: Database, statements: Recorded) -> dict[str, list[str]]:
    """Map each statement that reads a growing table from end to end to the scans that do."""
    explain = _of_sqlite if database.is_sqlite else _of_postgresql
    with database.engine.connect() as connection:
        scans = {statement: [*explain(connection, statement, values)] for statement, values in statements.items()}
    found = {statement: [scan for scan in each if not ACCEPTED.fullmatch(scan)] for statement, each in scans.items()}
    return {statement: each for statement, each in found.items() if each}


def _of_sqlite(connection: Connection, statement: str, values: Any) -> Iterator[str]:
    for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values):
        scan = re.match(rf"SCAN ({'|'.join(GROWING)})(?:_\d+)?(?: USING (?:COVERING )?INDEX (\w+))?$", row[-1])
        # Without a condition of its own an ordered scan ends with its page.
        is_page = scan is not None and re.search(r"FROM \w+(?: ORDER BY [^()]*)?\s+LIMIT", statement) is not None
        if scan and not is_page and not (scan[2] and SMALL.fullmatch(scan[2])):
            yield row[-1]


def _of_postgresql(connection: Connection, statement: str, values: Any) -> Iterator[str]:
    [[plans]] = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).all()
    yield from _scans(plans[0]["Plan"], is_page=False)


def _scans(node: dict[str, Any], *, is_page: bool) -> Iterator[str]:
    table, index = node.get("Relation Name"), node.get("Index Name")
    if node["Node Type"] == "Seq Scan" and table in GROWING and not (is_page and "Filter" not in node):
        yield f"Seq Scan on {table}: {node.get('Filter')}"
    if table in GROWING and index and "Index Cond" not in node and not SMALL.fullmatch(index) and not (is_page and "Filter" not in node):
        yield f"{node['Node Type']} using {index} on {table}: {node.get('Filter')}"
    ends_early = node["Node Type"] == "Limit" or (is_page and node["Node Type"] in ("Nested Loop", "Subquery Scan"))
    for number, child in enumerate(node.get("Plans", ())):
        yield from _scans(child, is_page=ends_early and number == 0)
