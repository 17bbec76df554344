"""PostgreSQL with a streaming replica, and a fail-over by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg

from tests.harness.breakable import kill_postgres
from tests.harness.services import Postgres
from tests.harness.waiting import eventually

#: as a server has them that outlives its tests
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


class Standby(Postgres):
    """A copy of a running server that follows it."""

    def __init__(self, primary: Postgres, settings: Mapping[str, str] | None = None) -> None:
        self._primary = primary
        super().__init__(settings=settings)

    def _make_data(self) -> None:
        source = f"host=127.0.0.1 port={self._primary.port} user=callboard application_name=standby"
        self._run("pg_basebackup", "--no-sync", "--checkpoint=fast", "--write-recovery-conf", "-d", source, "-D", str(self.data))
        self.data.chmod(0o700)

    def promote(self) -> None:
        """Let it accept writes, as an operator does after the primary has failed."""
        self.execute("SELECT pg_promote(true, 30)")


@dataclass
class Pair:
    """A primary and its synchronous standby: what the primary has acknowledged is on both disks."""

    primary: Postgres
    standby: Standby

    def url(self, database: str, query: str = "") -> str:
        """Return the SQLAlchemy URL that names both."""
        return f"postgresql+psycopg://callboard@127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}/{database}{query}"

    def fail_over(self) -> None:
        """Kill the primary; promote the standby at once."""
        kill_postgres(self.primary)
        self.standby.promote()


@contextmanager
def pair(settings: Mapping[str, str] | None = None) -> Iterator[Pair]:
    """Start both, and return when the standby is synchronous. Takes 3 seconds."""
    with ExitStack() as ending:
        primary = Postgres(settings=settings)
        ending.callback(primary.remove)
        primary.start()
        standby = Standby(primary, settings)
        ending.callback(standby.remove)
        standby.start()
        # After the copy, so that the standby waits for no other once it is promoted.
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        eventually(lambda: _is_synchronous(primary), deadline_s=30, what="the standby is synchronous")
        yield Pair(primary, standby)


def _is_synchronous(primary: Postgres) -> bool:
    with psycopg.connect(f"postgresql://callboard@127.0.0.1:{primary.port}/postgres", autocommit=True) as connection:
        return connection.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone() is not None
