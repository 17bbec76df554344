"""The migrations produce the models' schema, on both stores, and can be reverted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, inspect, text

import src.actors
import src.web.application
from src import migrations
from src.migrations import configuration, migrate
from src.sql.columns import Base
from src.sql.database import Database
from tests.harness import ROOT, fork_server
from tests.harness.services import Postgres, random_name

pytestmark = pytest.mark.both_stores

assert src.actors
assert src.web.application


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'fresh.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = random_name("fresh")
    server.execute(f"CREATE DATABASE {name}")
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def differences(url: str) -> list[Any]:
    database = Database(url)
    try:
        with database.engine.connect() as connection:
            return list(
                compare_metadata(
                    MigrationContext.configure(connection, opts={"compare_type": differ, "include_name": is_a_models}), Base.metadata
                )
            )
    finally:
        database.engine.dispose()


def is_a_models(name: str | None, kind: str, _parents: object) -> bool:
    """SQLite keeps the searchable texts in a virtual table and others behind it; waiters are PostgreSQL's, the version is Alembic's."""
    return kind != "table" or not (name or "").startswith(("job_texts", "awaited", "callboard_version"))


def differ(context: Any, _column: object, _model: object, made: object, wanted: object) -> bool | None:
    """SQLite keeps every whole number alike, whatever the column calls it; None: compare as usual."""
    if context.dialect.name == "sqlite" and isinstance(made, Integer) and isinstance(wanted, Integer):
        return False
    return None


def tables(url: str) -> set[str]:
    database = Database(url)
    try:
        return set(inspect(database.engine).get_table_names())
    finally:
        database.engine.dispose()


def test_the_migrated_schema_is_what_the_models_say(empty_url: str) -> None:
    migrate(empty_url)

    assert differences(empty_url) == []


def test_a_folder_with_a_percent_sign_can_be_migrated_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "FOLDER", tmp_path / "100% ours")

    assert configuration(f"sqlite:///{tmp_path}/x.db").get_main_option("script_location") == str(tmp_path / "100% ours")


def test_processes_that_start_at_once_migrate_once(empty_url: str, tmp_path: Path) -> None:
    program = f"from src.migrations import migrate; migrate({empty_url!r})"
    starting = [fork_server.server().start(["-c", program], os.environ, out=tmp_path / "log") for _ in range(3)]

    ended = [process.wait(120) for process in starting]

    assert ended == [0, 0, 0], (tmp_path / "log").read_text()
    migrate(empty_url)
    assert differences(empty_url) == []


@pytest.mark.long
def test_every_migration_can_be_reverted_and_applied_again(empty_url: str) -> None:
    migrate(empty_url)

    command.downgrade(configuration(empty_url), "base")

    assert tables(empty_url) <= {"callboard_version", "sqlite_sequence"}
    migrate(empty_url)
    assert differences(empty_url) == []


@pytest.mark.parametrize("empty_url", ["postgresql"], indirect=True)
def test_an_index_whose_build_was_interrupted_is_built_again(empty_url: str) -> None:
    migrate(empty_url)
    database = Database(empty_url)
    is_valid = text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_jobs_backlog'::regclass")
    try:
        with database.write() as session:
            session.execute(text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_jobs_backlog'::regclass"))
        migrate(empty_url)
        with database.read() as session:
            assert session.execute(is_valid).scalar_one()
    finally:
        database.engine.dispose()


def test_the_documented_filter_keeps_our_tables_out_of_the_applications_revisions(empty_url: str) -> None:
    migrate(empty_url)
    metadata = MetaData()
    Table("orders", metadata, Column("id", Integer, primary_key=True))
    guide = (ROOT / "docs" / "how-to" / "existing-application.md").read_text()
    known: dict[str, Any] = {"target_metadata": metadata}
    exec(guide.partition("```python\n")[2].partition("\n\n\ncontext.")[0], known)
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        options = {"include_name": known["include_name"]}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        assert len(compare_metadata(MigrationContext.configure(connection), metadata)) > len(found)
    engine.dispose()

    assert [(kind, table.name) for kind, table in found] == [("add_table", "orders")]
