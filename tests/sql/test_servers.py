"""PostgreSQL servers that fail without being gone: half-open connections, fail-overs, several hosts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from src.backup import creation, restoring
from src.migrations import migrate
from src.operations.people.roles import Role
from src.settings import get_settings
from src.sql import database as databases
from src.sql import half_open
from src.sql.clock import Clock
from src.sql.database import Database, get_database, use_database, write
from src.sql.outages import is_outage
from src.up import doctor
from src.web import create_app
from tests.harness.jobs import submitted
from tests.harness.services import Postgres
from tests.harness.site import Site
from tests.harness.stores import only_on
from tests.harness.stuck_proxy import StuckProxy

#: SQLite has no server
pytestmark = only_on("postgresql")


@pytest.fixture
def database(fresh_database: Database) -> Database:
    """A database of its own: these tests look at every connection to it."""
    return fresh_database


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[StuckProxy]:
    with StuckProxy(postgres.port) as made:
        yield made


@pytest.fixture
def beyond(database: Database, proxy: StuckProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The database as it is reached through the proxy, with short patience."""
    monkeypatch.setattr(half_open, "SILENCE_S", 0.1)
    monkeypatch.setattr(half_open, "GRACE_S", 0.1)
    monkeypatch.setattr(half_open, "ASK_S", 1)
    monkeypatch.setattr(half_open, "_unreachable", {})
    url = database.url.set(port=proxy.port).update_query_dict({"connect_timeout": "2"})
    made = Database(url.render_as_string(hide_password=False))
    yield made
    made.engine.dispose()


def ask(database: Database, how: str) -> None:
    if how == "direct":
        database.direct.read(lambda direct: direct.fetch("SELECT 1", {}))
    else:
        with database.read() if how == "read" else database.write() as session:
            session.execute(text("SELECT 1"))


@pytest.mark.long
def test_a_half_open_connection_is_noticed_and_replaced(beyond: Database, proxy: StuckProxy) -> None:
    ask(beyond, "write")
    proxy.stuck.set()

    with pytest.raises(Exception) as found:  # noqa: PT011  (what it is, is asked next)
        ask(beyond, "write")
    assert is_outage(found.value)

    proxy.let_through()
    half_open._unreachable.clear()
    ask(beyond, "write")


def test_one_connection_alone_that_is_half_open_costs_nothing_but_its_replacement(beyond: Database, proxy: StuckProxy) -> None:
    ask(beyond, "read")
    ask(beyond, "direct")
    proxy.stuck.set()
    proxy.let_through()  # for new connections

    ask(beyond, "read")  # the pool asks each connection before it is used
    ask(beyond, "direct")  # done once more


@pytest.mark.long
def test_a_statement_may_take_as_long_as_it_needs(beyond: Database) -> None:
    with beyond.write() as session:
        assert session.execute(text("SELECT pg_sleep(1.2), 7")).one()[1] == 7
    assert beyond.direct.read(lambda direct: direct.fetch("SELECT 8 FROM pg_sleep(1.2)", {})) == [(8,)]


@pytest.mark.long
def test_waiting_for_a_lock_is_being_served(beyond: Database, database: Database) -> None:
    id = submitted(database).id
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write() as session:
            session.execute(text("SELECT 1 FROM jobs FOR UPDATE"))
            locked.set()
            done.wait(1.0)

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(10)
    with beyond.write() as session:
        session.execute(text("UPDATE jobs SET priority = 1 WHERE id = :id"), {"id": id})
    done.set()
    holder.join()


def test_a_waiter_for_notifications_does_not_count_as_dead(beyond: Database) -> None:
    with beyond.direct.listening() as listener:
        assert listener is not None
        channel = listener.channel()
        assert listener.notification(0.5) is None
        beyond.direct.write(lambda direct: direct.fetch(f"SELECT pg_notify('{channel}', 'news')", {}))
        assert listener.notification(10) == "news"


def test_a_server_that_only_reads_is_an_outage_until_another_takes_writes(database: Database, postgres: Postgres) -> None:
    site = Site(database, create_app())
    program = site.program(Role.SUBMITTER)
    name = database.url.database
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database.engine.dispose()  # as when the old primary has become a standby: its new connections only read

    refused = program.post("/api/v1/jobs", {"actor": "xsum", "args": [[1]]})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    ready = site.stranger().get("/readyz")
    assert ready.status_code == 503
    assert ready.get_json()["database"].startswith("read-only")
    with pytest.raises(Exception) as found, write() as session:  # noqa: PT011  (what it is, is asked next)
        session.execute(text("DELETE FROM jobs"))
    assert is_outage(found.value)
    [finding] = list(doctor._database(get_settings()))
    assert (finding.ok, "read-only" in finding.what) == (False, True)

    postgres.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert program.post("/api/v1/jobs", {"actor": "xsum", "args": [[1]]}).status_code == 202
    assert site.stranger().get("/readyz").status_code == 200


@pytest.mark.parametrize(
    "spelling",
    ["postgresql://{user}@127.0.0.1:1,127.0.0.1:{port}/{db}", "postgresql://{user}@/{db}?host=127.0.0.1:1&host=127.0.0.1:{port}"],
)
def test_several_hosts_serve_and_are_backed_up_and_restored(
    database: Database, postgres: Postgres, tmp_path: Path, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = spelling.format(user=database.url.username, port=postgres.port, db=database.url.database)
    database.engine.dispose()
    monkeypatch.setenv("CALLBOARD_DATABASE_URL", url)
    get_settings.cache_clear()
    use_database(None)

    with write() as session:
        session.execute(text("DELETE FROM jobs"))
    assert [finding.ok for finding in doctor._database(get_settings())] == [True]
    path, manifest = creation.make(get_database(), tmp_path)
    get_database().engine.dispose()
    assert manifest.counts["jobs"] == 0
    migrate()
    restoring.restore(path, url, tmp_path, say=lambda _line: None)
    get_database().engine.dispose()
    use_database(None)


def test_the_servers_clock_is_read_before_the_first_use_and_again_after_an_outage(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Clock()
    monkeypatch.setattr(databases, "clock", fresh)
    away = Database("postgresql://callboard@127.0.0.1:1/nowhere")
    use_database(away)
    with pytest.raises(Exception) as found:  # noqa: PT011  (what it is, is asked next)
        get_database()
    assert is_outage(found.value)
    assert not fresh.is_read
    use_database(database)
    get_database()
    assert fresh.is_read

    use_database(away)
    fresh._due_at = 0.0
    get_database()  # a reading that fails is tried again soon: the database's own users will say so
    assert not fresh.is_due
    use_database(database)
    away.engine.dispose()
