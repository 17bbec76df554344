"""A restore replaces the tables of another program in the same file or schema only if that is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import text

from src.backup import creation, restoring
from src.backup.errors import BackupError
from src.sql.database import Database
from tests.harness import fork_server
from tests.harness.jobs import look, submitted

pytestmark = pytest.mark.both_stores


def execute(database: Database, *statements: str) -> None:
    with database.write() as session:
        for statement in statements:
            session.execute(text(statement))


def orders(database: Database) -> list[int]:
    with database.read() as session:
        return list(session.execute(text("SELECT id FROM orders ORDER BY id")).scalars())


@pytest.fixture
def shared(fresh_database: Database) -> Database:
    execute(fresh_database, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1)")
    return fresh_database


def test_they_are_named_and_stay_unless_it_is_asked_for(shared: Database, tmp_path: Path) -> None:
    id = submitted(shared).id
    path, _ = creation.make(shared, tmp_path)
    execute(shared, "INSERT INTO orders VALUES (2)", "DELETE FROM jobs")
    url = shared.url.render_as_string(hide_password=False)
    shared.engine.dispose()

    words = ["-m", "src", "restore", str(path), "--yes", "--data", str(tmp_path / "data")]
    refused = fork_server.server().run(words, {**os.environ, "CALLBOARD_DATABASE_URL": url})
    assert refused.returncode == 1
    assert "tables that are not this Callboard's with those of the backup: orders. Nothing was changed.\n" in refused.stderr
    assert "Replace them, too:  ./run restore --other-tables FILE" in refused.stderr
    assert orders(shared) == [1, 2]
    shared.engine.dispose()

    done = fork_server.server().run([*words, "--other-tables"], {**os.environ, "CALLBOARD_DATABASE_URL": url})
    assert done.returncode == 0, done.stderr
    assert "Tables that are not this Callboard's are replaced, too: orders" in done.stdout + done.stderr
    assert (orders(shared), look(shared, id).id) == ([1], id)


def test_a_database_of_another_program_alone_is_never_replaced(shared: Database, tmp_path: Path) -> None:
    path, _ = creation.make(shared, tmp_path)
    execute(shared, "DROP TABLE callboard_version")

    with pytest.raises(BackupError, match=r"another program's tables only: .*orders"):
        restoring.restore(path, shared.url.render_as_string(hide_password=False), tmp_path, say=lambda _: None, other_tables=True)
