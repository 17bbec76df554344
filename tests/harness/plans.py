"""Plans of recorded statements: which of them would read a whole table that grows with every job.

SQLite's plans do not depend on the number of rows while it has no statistics, so a small table shows them. PostgreSQL's
do: ask for them with a million rows.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, event

from src.sql.database import Database
from src.sql.direct import Direct

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

#: statements that are accepted: arguments are searched for uploads that are to be deleted, a daily report reads the ticks of its day, the
#: daily clean-up old deliveries, the audit log grows with what operators do, and pages of jobs of every state or of emails end with their page
ACCEPTED_STATEMENTS = re.compile(
    r"""LIKE '%"file_%'|WHERE webhook_deliveries.created_at < |FROM audit_lines|FROM mails |ORDER BY schedule_ticks.decided_at DESC|WHERE jobs.state IN \(\?, \?\) ORDER BY jobs.seq DESC"""
)
_TOUCHES = re.compile(rf"\A\s*(SELECT|WITH|UPDATE|DELETE|INSERT)\b.*\b({'|'.join(GROWING)})\b", re.DOTALL)
_ROOT = Path(__file__).parents[2]
_SOURCES, _BELOW, _TESTS = f"{_ROOT / 'src'}/", f"{_ROOT / 'src' / 'sql'}/", f"{_ROOT / 'tests'}/"

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


@contextmanager
def recorded_of_product(database: Database, known: set[str]) -> Iterator[Recorded]:
    """Collect the statements on growing tables that the product executes meanwhile, on direct connections too, but for those `known`."""
    found: Recorded = {}

    def note(statement: str, values: Any) -> None:
        if statement not in known and _TOUCHES.search(statement) and _is_of_product():
            found.setdefault(statement, values[0] if isinstance(values, list) else values)

    def fetch(direct: Direct, statement: str, parameters: dict[str, Any]) -> list[Any]:
        note(statement, parameters)
        return fetched(direct, statement, parameters)

    def execute(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        note(statement, values)

    fetched = Direct.fetch
    event.listen(database.engine, "after_cursor_execute", execute)
    try:
        with patch.object(Direct, "fetch", fetch):
            yield found
    finally:
        event.remove(database.engine, "after_cursor_execute", execute)
        known.update(found)
        for statement in [each for each in found if ACCEPTED_STATEMENTS.search(each)]:
            del found[statement]


def _is_of_product() -> bool:
    """True if the nearest caller that knows the tables is the product, and not a test."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_SOURCES) and not name.startswith(_BELOW):
            return True
        if name.startswith(_TESTS) and name != __file__:
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return False


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
