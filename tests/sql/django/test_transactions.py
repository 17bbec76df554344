"""Jobs in Django's transactions: a job exists if and only if the transaction commits, and is published then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test import override_settings
from sqlalchemy import func, select

from src.actors.arithmetic import add
from src.django import session, submit
from src.jobs import Submission, Workflow, submit_many
from src.jobs.core.envelopes import Envelope, publisher
from src.jobs.core.errors import WrongSession
from src.jobs.core.models import Job
from src.sql.database import Database
from tests.harness.stores import only_on
from tests.sql.django.conftest import reaching, use

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("orders")]


@pytest.fixture
def published() -> Iterator[list[str]]:
    """Ids of published jobs."""
    found: list[str] = []

    def note(envelopes: list[Envelope]) -> None:
        found.extend(envelope.id for envelope in envelopes)

    with publisher.replaced(note):
        yield found


def order(id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders VALUES (%s)", [id])


def orders() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM orders ORDER BY id")
        return [id for (id,) in cursor.fetchall()]


def jobs(database: Database) -> int:
    with database.read() as own:
        return own.execute(select(func.count()).select_from(Job)).scalar_one()


def test_an_order_and_its_job_commit_together_and_the_job_is_published_then(database: Database, published: list[str]) -> None:
    with transaction.atomic():
        order(1)
        receipt = submit(add.message(1, 2), priority=7)
        assert published == []
        assert jobs(database) == 0

    assert orders() == [1]
    assert jobs(database) == 1
    assert published == [receipt.id]
    assert connection.connection is not None  # SQLAlchemy has not closed it


def test_a_rollback_takes_both(database: Database, published: list[str]) -> None:
    with suppress(RuntimeError), transaction.atomic():
        order(1)
        submit(add.message(1, 2))
        raise RuntimeError

    assert (orders(), jobs(database), published) == ([], 0, [])


def test_a_savepoint_that_rolls_back_takes_its_job_alone(database: Database, published: list[str]) -> None:
    with transaction.atomic():
        kept = submit(add.message(1, 2))
        with suppress(RuntimeError), transaction.atomic():
            order(1)
            submit(add.message(3, 4))
            raise RuntimeError
        order(2)

    assert (orders(), jobs(database), published) == ([2], 1, [kept.id])


def test_outside_of_a_transaction_it_is_committed_at_once(database: Database, published: list[str]) -> None:
    receipt = submit(add.message(1, 2))

    assert jobs(database) == 1
    assert published == [receipt.id]
    assert connection.get_autocommit()


def test_many_jobs_and_a_workflow_share_the_transaction(database: Database, published: list[str]) -> None:
    with suppress(RuntimeError), transaction.atomic(), session() as own:
        submit_many(own, [Submission(add.message(1, number)) for number in range(1_200)])
        raise RuntimeError
    assert jobs(database) == 0

    with transaction.atomic(), session() as own:
        submit_many(own, [Submission(add.message(1, number)) for number in range(1_200)])
        workflow = Workflow("sums")
        workflow.step(add.message(1, 2))
        workflow.submit(own)

    assert jobs(database) == len(published) == 1_201


def test_a_key_that_an_earlier_job_has_returns_that_job(published: list[str]) -> None:
    first = submit(add.message(1, 2), idempotency_key="order-1")
    with transaction.atomic():
        again = submit(add.message(1, 2), idempotency_key="order-1")

    assert (again.id, again.created) == (first.id, False)
    assert published == [first.id]


def test_djangos_own_functions_stay_in_place() -> None:
    submit(add.message(1, 2))

    with connection.cursor() as cursor:
        cursor.execute("SELECT CASE WHEN 'tea' " + ("REGEXP" if connection.vendor == "sqlite" else "~") + " '^t' THEN 1 END")
        assert cursor.fetchone() == (1,)
        if connection.vendor == "sqlite":
            cursor.execute("SELECT NULL REGEXP 'a'")
            assert cursor.fetchone() == (None,)


def test_a_database_without_callboards_tables_is_refused(database: Database, tmp_path: Path) -> None:
    if database.is_sqlite:
        use(other={"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "other.db")})
    else:
        use(other=reaching(database, NAME="postgres"))

    with pytest.raises(WrongSession, match=r"has no tables of Callboard") as refusal, transaction.atomic(using="other"):
        submit(add.message(1, 2), using="other")
    assert ("other.db" if database.is_sqlite else "/postgres)") in str(refusal.value)
    assert jobs(database) == 0


@only_on("postgresql")  # SQLite would be the other kind of database
def test_a_database_of_another_kind_is_refused(tmp_path: Path) -> None:
    use(other={"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "other.db")})

    with pytest.raises(WrongSession, match=r"'other' is on sqlite, and Callboard's tables are on postgresql\. Name the database"):
        submit(add.message(1, 2), using="other")


@only_on("postgresql")  # Django removes the zone of its timestamps
def test_a_project_without_time_zones_submits_too(database: Database) -> None:
    with override_settings(USE_TZ=False, TIME_ZONE="Europe/Rome"):
        use(default=reaching(database))
        first = submit(add.message(1, 2), idempotency_key="order-1")
        assert submit(add.message(1, 2), idempotency_key="order-1").id == first.id
        connection.close()
    use(default=reaching(database))
