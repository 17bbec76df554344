"""Connection poolers: a real PgBouncer is accepted if each client keeps its server connection, and refused if not."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from psycopg import pq

from src import migrations
from src.sql import pooling
from src.sql.database import Database, use_database
from src.sql.half_open import WatchfulConnection
from src.sql.outages import SharedConnection, is_outage
from src.up.data import ports
from tests.harness.services import Postgres
from tests.harness.stores import only_on
from tests.harness.waiting import eventually

#: SQLite has no server
pytestmark = only_on("postgresql")


def test_the_server_notices_a_vanished_client_as_soon_as_a_client_does_a_vanished_server(database: Database) -> None:
    asked = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
    with database.read() as session:
        connection = session.connection().connection.dbapi_connection
        assert connection is not None
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT current_setting('tcp_user_timeout'), " + ", ".join(f"current_setting('{name}')" for name in asked))
            assert cursor.fetchone() == ("20000", "10", "5", "3")


def test_two_clients_on_one_server_process_are_found(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(WatchfulConnection.connect(_conninfo(database))) as connection:
        pooling.refuse_sharing(connection)
        monkeypatch.setattr(WatchfulConnection, "beside", lambda self: _Shared(self))
        with pytest.raises(SharedConnection, match="set pool_mode = session") as found:
            pooling.refuse_sharing(connection)
        assert not is_outage(found.value)


class _Shared:
    """Another client of the same server process."""

    def __init__(self, connection: WatchfulConnection) -> None:
        self.connection = connection

    def __enter__(self) -> WatchfulConnection:
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.commit()


@pytest.mark.slow  # an ordinary run does not install PgBouncer
@pytest.mark.skipif(shutil.which("pgbouncer", path="/usr/sbin:/usr/bin") is None, reason="needs: sudo apt-get install pgbouncer")
@pytest.mark.parametrize(("mode", "accepted"), [("session", True), ("transaction", False)])
def test_a_pgbouncer_is_accepted_if_each_client_keeps_its_connection(
    database: Database, postgres: Postgres, tmp_path: Path, mode: str, accepted: bool
) -> None:
    with _pgbouncer(postgres, tmp_path, mode) as port:
        url = database.url.set(port=port)
        behind = Database(url.render_as_string(hide_password=False))
        use_database(behind)
        try:
            if accepted:
                assert migrations.problem() is None
                assert behind.direct.read(lambda direct: direct.fetch("SELECT 1", {})) == [(1,)]
                with behind.direct.listening() as listener:
                    assert listener is not None
                    channel = listener.channel()
                    behind.direct.write(lambda direct: direct.fetch(f"SELECT pg_notify('{channel}', 'news')", {}))
                    assert listener.notification(10) == "news"
            else:
                assert "PgBouncer: pool_mode = transaction" in (migrations.problem() or "")
        finally:
            use_database(None)
            behind.engine.dispose()


def _conninfo(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def _pgbouncer(postgres: Postgres, folder: Path, mode: str) -> Iterator[int]:
    """Yield the port of a PgBouncer before this PostgreSQL."""
    port = ports.anywhere(["pgbouncer"])["pgbouncer"]
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host=127.0.0.1 port={postgres.port} user=callboard\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"unix_socket_dir =\nauth_type = any\npool_mode = {mode}\nlogfile =\n"
    )
    settings.chmod(0o644)
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None  # it refuses to run as root
    process = subprocess.Popen(["pgbouncer", str(settings)], env={"PATH": "/usr/sbin:/usr/bin"}, user=user)
    try:
        address = f"postgresql://callboard@127.0.0.1:{port}/postgres"
        eventually(lambda: pq.PGconn.ping(address.encode()) == pq.Ping.OK, deadline_s=20, what="PgBouncer answers")
        yield port
    finally:
        process.kill()
        process.wait(10)
