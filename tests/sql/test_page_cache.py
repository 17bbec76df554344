"""SQLite's page cache: one limit for a whole process, however many connections it has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from src.sql.database import Database
from tests.harness import ROOT
from tests.harness.stores import only_on

PROGRAM = """
from contextlib import ExitStack
from pathlib import Path
from sqlalchemy import text
from src.sql.database import get_database

def kilobytes():
    return int(Path("/proc/self/smaps_rollup").read_text().split("Private_Dirty:")[1].split()[0])

def read_all(session):
    session.execute(text("SELECT sum(length(args)) FROM jobs")).scalar_one()

database = get_database()
with ExitStack() as open_together:
    read_all(open_together.enter_context(database.read()))
    before = kilobytes()
    for _ in range(12):
        read_all(open_together.enter_context(database.read()))
        database.direct.read(lambda direct: direct.fetch("SELECT sum(length(args)) FROM jobs", {}))
    print(kilobytes() - before)
"""


@pytest.mark.long
@only_on("sqlite", by="store")  # PostgreSQL keeps its pages itself
def test_a_dozen_connections_keep_no_more_pages_than_one_process_may(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        row = "INSERT INTO jobs (id, queue, state, args, kwargs, options, priority, source, attempt, failures, crashes, cancel_requested, created_at)"
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)"
        values = "SELECT 'j' || i, 'q', 'succeeded', hex(zeroblob(1500)), '{}', '{}', 5, 'api', 1, 0, 0, 0, i FROM n"
        session.execute(text(f"{row} {numbers} {values}"))
    environment = {**os.environ, "CALLBOARD_SQLITE_CACHE": "8"}

    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 16_000, "kilobytes more than with one connection: the file has 20 MB"
