"""Rights of SQL's submitters: the statements of docs/how-to/sql.md, with the tables in a schema of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from src.broker.recover.sql_door import SqlDoor
from src.migrations import migrate
from src.settings import get_settings
from src.sql.database import Database
from tests.harness import ROOT
from tests.harness.services import Postgres, random_name
from tests.harness.stores import only_on, using

pytestmark = only_on("postgresql")  # SQLite has no users

CALL = """SELECT callboard.submit('add', '{"kwargs": {"x": 2, "y": 3}}')"""
ORDERS = "CREATE TABLE orders (id int, due_at timestamptz, paid bool DEFAULT false)"


@dataclass
class Owned:
    """A database with two users: `boss` owns it and migrates, `shop` is that of an application."""

    url: URL
    boss: str
    shop: str

    def execute(self, user: str, *statements: str) -> None:
        """Execute the statements as this user, in one transaction."""
        engine = create_engine(self.url.set(username=user))
        try:
            with engine.begin() as connection:
                for statement in statements:
                    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        finally:
            engine.dispose()

    def migrate(self) -> None:
        migrate(self.url.set(username=self.boss).render_as_string(hide_password=False))

    def page(self) -> list[str]:
        """The statements of the page, for this application's user."""
        text = (ROOT / "docs" / "how-to" / "sql.md").read_text()
        blocks = re.findall(r"^```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        return [re.sub(r"\bshop\b", self.shop, block) for block in blocks]


def taken(x: int = 0, y: int = 0, order: int = 0) -> None:
    """Take what the page's actors take."""


@pytest.fixture
def owned(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owned]:
    name = random_name("rights")
    made = Owned(make_url(postgres.url(name)), random_name("boss"), random_name("shop"))
    for role in (made.boss, made.shop):
        postgres.execute(f"CREATE ROLE {role} LOGIN")
    postgres.execute(f"CREATE DATABASE {name} OWNER {made.boss}")
    made.execute(made.boss, f"GRANT CREATE ON SCHEMA public TO {made.shop}")
    monkeypatch.setenv("CALLBOARD_DATABASE_SCHEMA", "board")
    get_settings.cache_clear()
    made.migrate()
    opened, few = Database(made.url.set(username=made.boss).render_as_string(hide_password=False)), StubBroker()
    for actor in ("add", "send_reminder", "confirm_order"):
        dramatiq.actor(actor_name=actor, broker=few)(taken)
    with using(opened, monkeypatch):
        SqlDoor().register(few)
        yield made
    opened.engine.dispose()
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
    for role in (made.boss, made.shop):
        postgres.execute(f"DROP ROLE {role}")


def requests(owned: Owned) -> list[str]:
    """The actors of the application's requests."""
    engine = create_engine(owned.url)
    with engine.connect() as connection:
        statement = text("SELECT actor FROM board.sql_requests WHERE submitted_by = :shop ORDER BY actor")
        found = list(connection.execute(statement, {"shop": owned.shop}).scalars())
    engine.dispose()
    return found


def test_the_statements_of_the_page_submit_as_another_user(owned: Owned) -> None:
    single, reminders, trigger, rights, short = owned.page()
    owned.execute(owned.shop, ORDERS, "INSERT INTO orders VALUES (1, now())")
    with pytest.raises(ProgrammingError, match="permission denied for schema board"):
        owned.execute(owned.shop, single)

    owned.execute(owned.boss, rights)
    owned.execute(owned.shop, single, reminders)
    owned.execute(owned.shop, trigger)
    owned.execute(owned.shop, "INSERT INTO orders VALUES (2, now())")
    assert requests(owned) == ["add", "confirm_order", "send_reminder"]

    with pytest.raises(ProgrammingError, match="permission denied for function submit"):
        owned.execute(owned.shop, CALL)
    owned.execute(owned.boss, short)
    owned.execute(owned.shop, CALL)
    assert len(requests(owned)) == 4


def test_migrating_opens_the_way_to_an_earlier_short_name(owned: Owned) -> None:
    owned.execute(owned.boss, "REVOKE USAGE ON SCHEMA callboard FROM PUBLIC", *owned.page()[4:])

    owned.migrate()

    owned.execute(owned.shop, CALL)


@pytest.mark.parametrize("made_by", ["other", "boss"])
def test_migrating_opens_no_schema_of_another_program(owned: Owned, made_by: str) -> None:
    owner = owned.boss if made_by == "boss" else "callboard"
    owned.execute(
        "callboard",
        "DROP SCHEMA callboard CASCADE",
        f"CREATE SCHEMA callboard AUTHORIZATION {owner}",
        f"GRANT ALL ON SCHEMA callboard TO {owned.boss}",
        "CREATE TABLE callboard.theirs (id int)",
    )

    owned.migrate()

    with pytest.raises(ProgrammingError, match="permission denied for schema callboard"):
        owned.execute(owned.shop, CALL)
    owned.execute(owned.boss, "SELECT 'callboard.submit(text, jsonb)'::regprocedure")
