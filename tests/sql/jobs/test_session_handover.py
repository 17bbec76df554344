"""Sessions of an application: those that take a job, and those that are refused with the cure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from src.actors.arithmetic import add
from src.jobs import State, Workflow, canvas, submit, submit_many
from src.jobs.core.errors import WrongSession
from src.jobs.core.models import Job
from src.jobs.core.session_handover import handed_over
from src.jobs.submit.requests import submission_of
from src.settings import get_settings
from src.sql.database import Database
from src.sql.statements import PART
from tests.harness.stores import only_on

pytestmark = pytest.mark.both_stores


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    """An application's engine on the database that holds Callboard's tables."""
    engine = create_engine(database.url)
    yield engine
    engine.dispose()


def jobs(database: Database) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(Job)).scalar_one()


def test_a_scoped_session_takes_a_job(database: Database, engine: Engine) -> None:
    session = scoped_session(sessionmaker(engine))

    submit(session, add.message(1, 2))
    session.rollback()
    submit(session, add.message(3, 4))
    session.commit()
    session.remove()

    assert jobs(database) == 1


def test_a_session_of_another_database_is_refused_with_the_cure(database: Database, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with Session(engine) as session, pytest.raises(WrongSession, match=r"other\.db\) has no tables of Callboard.*hand over a session of"):
        submit(session, add.message(1, 2))
    workflow = Workflow("steps")
    workflow.step(add.message(1, 2))
    with Session(engine) as session, pytest.raises(WrongSession, match="has no tables of Callboard"):
        workflow.submit(session)
    with Session(engine) as session:
        session.execute(text("CREATE TABLE jobs (id integer PRIMARY KEY)"))
        with pytest.raises(WrongSession, match="has no tables of Callboard"):
            submit(session, add.message(1, 2))
    engine.dispose()


def test_a_session_that_commits_each_statement_is_refused(database: Database, engine: Engine) -> None:
    with Session(engine.execution_options(isolation_level="AUTOCOMMIT")) as session, pytest.raises(WrongSession, match="AUTOCOMMIT"):
        submit(session, add.message(1, 2))
    assert jobs(database) == 0


def test_an_engine_that_commits_each_statement_is_refused(database: Database) -> None:
    engine = create_engine(database.url, isolation_level="AUTOCOMMIT")
    with Session(engine) as session, pytest.raises(WrongSession, match="AUTOCOMMIT"):
        submit(session, add.message(1, 2))
    engine.dispose()
    assert jobs(database) == 0


def test_a_session_opened_for_reading_is_refused(database: Database) -> None:
    with database.read() as session, pytest.raises(WrongSession, match=r"opened by read\(\). Open it with write\(\)"):
        submit(session, add.message(1, 2))


@only_on("postgresql")
def test_a_read_only_transaction_is_refused(database: Database, engine: Engine) -> None:
    options = engine.execution_options(postgresql_readonly=True)
    with Session(options) as session, pytest.raises(WrongSession, match="only reads"):
        submit(session, add.message(1, 2))


@only_on("sqlite")
def test_a_read_only_file_is_refused(database: Database) -> None:
    engine = create_engine(f"sqlite:///file:{database.url.database}?mode=ro&uri=true")
    with Session(engine) as session, pytest.raises(WrongSession, match="only reads"):
        submit(session, add.message(1, 2))
    engine.dispose()


@only_on("postgresql")
def test_a_user_without_the_right_is_refused(database: Database, engine: Engine) -> None:
    with Session(engine) as session:
        session.execute(text("CREATE ROLE stranger"))
        session.execute(text("SET LOCAL ROLE stranger"))
        with pytest.raises(WrongSession, match="may not write Callboard's tables"):
            submit(session, add.message(1, 2))


@only_on("postgresql")  # the driver of SQLite for asyncio is not installed
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_an_async_session_is_refused_and_its_own_session_takes_a_job(driver: str, database: Database) -> None:
    async def run() -> list[str]:
        engine = create_async_engine(database.url.set(drivername=f"postgresql+{driver}"))
        async with AsyncSession(engine) as session:
            with pytest.raises(WrongSession, match=r"await session\.run_sync\("):
                submit(session, add.message(1, 2))  # type: ignore[arg-type]
            await session.run_sync(submit, add.message(5, 5))
            await session.rollback()
            many = [submission_of(add.message(n, 100), priority=7, unique_key=f"{n}%", fair_key="a") for n in range(40)]
            receipts = await session.run_sync(submit_many, [*many, *many])
            workflow = await session.run_sync(Workflow("shape", canvas.chain(add.message(1, 2), partial(add.message, 3))).submit)
            await session.commit()
        await engine.dispose()
        assert [receipt.created for receipt in receipts] == [True] * 40 + [False] * 40
        return [*(receipt.id for receipt in receipts[:40]), *workflow.jobs.values()]

    ids = asyncio.run(run())

    with database.read() as session:
        found = session.execute(select(Job).order_by(Job.seq)).scalars().all()
    assert [job.id for job in found] == ids
    assert (found[7].args, found[7].priority, found[7].unique_key, found[7].state) == ([7, 100], 7, "7%", State.QUEUED)


@only_on("postgresql")
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_an_async_session_without_the_tables_is_refused_with_the_cure(driver: str, database: Database) -> None:
    async def run() -> None:
        engine = create_async_engine(database.url.set(drivername=f"postgresql+{driver}"))
        async with AsyncSession(engine) as session:
            await session.execute(text("SET LOCAL search_path TO nowhere"))
            with pytest.raises(WrongSession, match="has no tables of Callboard"):
                await session.run_sync(submit, add.message(1, 2))
        await engine.dispose()

    asyncio.run(run())


@only_on("postgresql")
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_an_async_session_takes_any_number_of_jobs(driver: str, database: Database) -> None:
    async def run() -> None:
        engine = create_async_engine(database.url.set(drivername=f"postgresql+{driver}"))
        async with AsyncSession(engine) as session:
            many = [submission_of(add.message(n, 1)) for n in range(PART + 1)]
            receipts = await session.run_sync(submit_many, many)
            await session.commit()
        await engine.dispose()
        assert all(receipt.created for receipt in receipts)

    asyncio.run(run())

    assert jobs(database) == PART + 1


def test_a_session_that_looks_for_its_tables_in_another_schema_takes_a_job(database: Database, engine: Engine) -> None:
    with Session(engine.execution_options(schema_translate_map={None: "tenant"})) as session:
        keyed = [submit(session, add.message(1, 2), unique_key="k", unique_for=timedelta(hours=1)).created for _ in range(2)]
        kept = session.connection().get_execution_options()["schema_translate_map"]
        session.commit()
    assert (keyed, kept, jobs(database)) == ([True, False], {None: "tenant"}, 1)


def test_what_is_not_a_session_is_refused(database: Database, engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(WrongSession, match="not Connection"):
        submit(connection, add.message(1, 2))  # type: ignore[arg-type]


def test_an_engine_that_begins_transactions_by_hand_takes_a_job(database: Database) -> None:
    engine = create_engine(database.url)
    if database.is_sqlite:  # SQLAlchemy's recipe for savepoints and isolation with pysqlite
        event.listen(engine, "connect", lambda connection, _record: setattr(connection, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with Session(engine) as session:
        submit(session, add.message(1, 2))
        session.rollback()
        submit(session, add.message(1, 2))
        session.commit()
    engine.dispose()
    assert jobs(database) == 1


@only_on("postgresql")
def test_a_lost_connection_raises_the_error_of_the_database(database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_DATABASE_SCHEMA", "public")
    get_settings.cache_clear()
    with Session(engine) as session, pytest.raises(DBAPIError) as raised, handed_over(session) as own:
        own.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert raised.value.connection_invalidated
