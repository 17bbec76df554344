"""A database that an application shares with Callboard: version table, names of tables, a schema of our own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.orm import Session

import src.actors
from src.actors.arithmetic import add
from src.backup import creation, restoring
from src.jobs import submit
from src.jobs.core.envelopes import leave_to_relay, publisher
from src.migrations import MigrationRefused, configuration, migrate, missing, newest, revision
from src.settings import get_settings
from src.sql.database import Database, use_database
from tests.harness import ROOT
from tests.harness.services import Postgres, random_name
from tests.harness.stores import using

pytestmark = pytest.mark.both_stores

assert src.actors


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'shared.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = random_name("shared")
    server.execute(f"CREATE DATABASE {name}")
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def schema(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("CALLBOARD_DATABASE_SCHEMA", SCHEMA)
    get_settings.cache_clear()
    with publisher.replaced(leave_to_relay):
        yield SCHEMA
    get_settings.cache_clear()


@pytest.fixture
def theirs(url: str, schema: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database with an application's tables in `public`, and Callboard's in a schema of its own."""
    execute(url, *THEIRS)
    migrate(url)
    opened = Database(url)
    with using(opened, monkeypatch):
        yield opened
    opened.engine.dispose()


#: not `callboard`, the name of the tests' user, whose schema PostgreSQL searches first
SCHEMA = "board"
THEIRS = (
    "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('0033')",
    "CREATE TABLE jobs (id integer PRIMARY KEY, title text)",
    "INSERT INTO jobs VALUES (1, 'gardener')",
    "CREATE TABLE workers (id integer PRIMARY KEY)",
)


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def scalar(url: str, statement: str) -> object:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.execute(text(statement)).scalar()
    finally:
        engine.dispose()


def found(url: str) -> tuple[str | None, str | None]:
    """The revision of a database, and its problem."""
    database = Database(url)
    try:
        with database.engine.connect() as connection:
            return revision(connection), missing(connection)
    finally:
        database.engine.dispose()


def as_of_a_release_before(url: str, version: str) -> None:
    """Migrate as far as an earlier release did, which kept its revision in alembic_version."""
    from alembic import command

    config = configuration(url)
    config.attributes["version_table"] = "alembic_version"
    config.attributes["prepare"] = lambda connection: None
    command.upgrade(config, version)


def test_a_version_table_of_the_application_stays_as_it_is(url: str) -> None:
    execute(url, *THEIRS[:2], "UPDATE alembic_version SET version_num = 'ae1027a6acf'")

    assert found(url)[0] is None
    migrate(url)
    migrate(url)

    assert scalar(url, "SELECT version_num FROM alembic_version") == "ae1027a6acf"
    assert found(url) == (newest(), None)


@pytest.mark.parametrize("before", ["0001", "0032"])
def test_an_installation_of_a_release_before_is_taken_over_and_its_processes_read_on(url: str, before: str) -> None:
    as_of_a_release_before(url, before)
    assert found(url)[0] == before

    migrate(url)
    migrate(url)

    assert found(url) == (newest(), None)
    assert scalar(url, "SELECT version_num FROM alembic_version") == newest()
    engine = create_engine(url)
    assert inspect(engine).has_table("alembic_version")  # as these processes ask
    engine.dispose()


def test_the_view_for_releases_before_may_be_dropped(url: str) -> None:
    as_of_a_release_before(url, "0033")
    migrate(url)

    execute(url, "DROP VIEW alembic_version", *THEIRS[:2])
    migrate(url)

    assert found(url) == (newest(), None)


def test_tables_of_the_application_with_our_names_are_named_before_anything_changes(url: str) -> None:
    execute(url, *THEIRS)

    with pytest.raises(MigrationRefused, match=r"names of Callboard's: jobs, workers\. Nothing was changed\.\nGive Callboard a "):
        migrate(url)

    engine = create_engine(url)
    assert set(inspect(engine).get_table_names()) == {"alembic_version", "jobs", "workers"}
    engine.dispose()
    assert found(url)[1] == "The database has no tables of Callboard yet.\nMake them:  ./run migrate"


def test_an_index_of_the_application_with_a_name_of_ours_is_named_and_nothing_changes(url: str) -> None:
    execute(url, "CREATE TABLE mine (state integer)", "CREATE INDEX ix_jobs_state ON mine (state)")

    with pytest.raises(
        MigrationRefused, match=r"name of Callboard's: .*ix_jobs_state.* already exists\. Nothing was changed\.\nGive Callboard a "
    ):
        migrate(url)

    engine = create_engine(url)
    assert inspect(engine).get_table_names() == ["mine"]
    engine.dispose()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_user_without_a_right_is_told_which_and_one_without_that_to_the_door_migrates(url: str) -> None:
    plain, theirs = random_name("plain"), make_url(url)
    user = theirs.set(username=plain).render_as_string(hide_password=False)
    execute(url, f"CREATE ROLE {plain} LOGIN", "CREATE SCHEMA callboard")

    with pytest.raises(MigrationRefused, match=rf"user {plain} may not migrate: .*\nGrant .* GRANT CREATE ON SCHEMA public TO {plain}"):
        migrate(user)
    execute(url, f"GRANT CREATE ON SCHEMA public TO {plain}")
    migrate(user)

    assert found(url) == (newest(), None)
    execute(url, f"DROP OWNED BY {plain}", f"DROP ROLE {plain}")


@pytest.mark.long
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_second_installation_in_one_database_does_not_take_over_the_short_name(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    boss = random_name("boss")
    execute(url, f"CREATE ROLE {boss} LOGIN SUPERUSER")
    user = make_url(url).set(username=boss).render_as_string(hide_password=False)
    for schema in ("one", "two", "one"):
        monkeypatch.setenv("CALLBOARD_DATABASE_SCHEMA", schema)
        get_settings.cache_clear()
        migrate(user)

    assert "one" in str(scalar(url, "SELECT prosrc FROM pg_proc WHERE oid = 'callboard.submit(text, jsonb)'::regprocedure"))
    execute(url, "DROP SCHEMA one CASCADE")
    monkeypatch.setenv("CALLBOARD_DATABASE_SCHEMA", "two")
    get_settings.cache_clear()
    migrate(user)

    assert "two" in str(scalar(url, "SELECT prosrc FROM pg_proc WHERE oid = 'callboard.submit(text, jsonb)'::regprocedure"))
    execute(url, "DROP SCHEMA two, callboard CASCADE", f"DROP OWNED BY {boss} CASCADE", f"DROP ROLE {boss}")
    get_settings.cache_clear()


def test_a_table_that_a_later_migration_creates_is_named_too(url: str) -> None:
    as_of_a_release_before(url, "0029")
    execute(url, "CREATE TABLE heartbeats (id integer)")

    with pytest.raises(MigrationRefused, match="heartbeats"):
        migrate(url)
    execute(url, "DROP TABLE heartbeats")
    migrate(url)

    assert found(url) == (newest(), None)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_schema_of_its_own_holds_every_table(theirs: Database) -> None:
    url = theirs.url.render_as_string(hide_password=False)

    assert scalar(url, "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'") == (
        "alembic_version jobs workers"
    )
    assert scalar(url, "SELECT version_num FROM board.callboard_version") == newest()
    assert found(url) == (newest(), None)
    migrate(url)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_job_in_a_session_of_the_application_is_in_our_schema_and_theirs_is_used_afterwards(theirs: Database) -> None:
    engine = create_engine(theirs.url)
    with Session(engine) as session:
        session.execute(text("INSERT INTO jobs VALUES (2, 'cook')"))
        kept = submit(session, add.message(1, 2))
        assert session.execute(text("SELECT title FROM jobs WHERE id = 2")).scalar() == "cook"
        with session.begin_nested() as nested:
            submit(session, add.message(3, 4))
            nested.rollback()
        assert session.execute(text("SELECT count(*) FROM jobs")).scalar() == 2
        session.commit()
        rolled_back = submit(session, add.message(5, 6))
        session.rollback()
        assert session.execute(text("SELECT count(*) FROM jobs")).scalar() == 2
    engine.dispose()

    with theirs.read() as session:
        assert session.execute(text("SELECT id FROM jobs")).scalars().all() == [kept.id]
        assert rolled_back.id != kept.id


@pytest.mark.long
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_backup_takes_our_schema_alone_and_comes_back_into_it(theirs: Database, tmp_path: Path) -> None:
    url = theirs.url.render_as_string(hide_password=False)
    with theirs.write() as session:
        kept = submit(session, add.message(1, 2))
    path, _ = creation.make(theirs, tmp_path)
    execute(url, "UPDATE jobs SET title = 'baker'", "DELETE FROM board.jobs")
    theirs.engine.dispose()
    use_database(None)

    restoring.restore(path, url, tmp_path, say=lambda _line: None)

    assert scalar(url, "SELECT title FROM jobs") == "baker"
    assert scalar(url, "SELECT id FROM board.jobs") == kept.id


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_an_installation_moves_from_public_into_a_schema_as_documented(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    as_of_a_release_before(url, "0033")
    migrate(url)
    execute(url, "CREATE TABLE orders (id integer)")
    guide = (ROOT / "docs" / "how-to" / "existing-application.md").read_text()
    execute(url, guide.partition("```sql\n")[2].partition("```")[0])

    monkeypatch.setenv("CALLBOARD_DATABASE_SCHEMA", SCHEMA)
    get_settings.cache_clear()
    migrate(url)

    assert found(url) == (newest(), None)
    assert scalar(url, "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'") == "orders"
    get_settings.cache_clear()
