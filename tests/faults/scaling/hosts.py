"""Two hosts on the loopback address, each with a data folder, a web front end, a worker and a scheduler of its own."""

from __future__ import annotations

import itertools
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest.mock import patch

from src.broker.publish.publisher import Publisher
from src.jobs.core import envelopes
from src.jobs.leases.workers import alive
from src.migrations import migrate
from src.settings import get_settings
from src.sql.database import Database, use_database
from tests.faults.chaos.load import MakeSend, directly, over_http
from tests.harness.breakable import submitters_token, web_command
from tests.harness.certificates import make_certificates
from tests.harness.cluster import Cluster
from tests.harness.effects import create_effects
from tests.harness.fleet import Fleet
from tests.harness.replicas import DURABLE, Pair, pair
from tests.harness.waiting import eventually

HOSTS = 2


@dataclass
class Installation:
    """Two hosts, a RabbitMQ cluster, PostgreSQL with a standby. This process has their database."""

    folder: Path
    cluster: Cluster
    servers: Pair
    database: Database
    environment: dict[str, str]
    urls: list[str]  # of the web front ends
    fleets: list[Fleet]

    def make_send(self) -> MakeSend:
        """Return what makes submitters: each front end in turn, and twice this process, as an application's own."""
        token, own = submitters_token(), directly(self.database)
        turns = itertools.cycle([kind for url in self.urls for kind in (over_http(url, token), own, own)])
        return lambda: next(turns)()

    def log(self, host: int) -> str:
        """Return everything that the processes of a host have printed."""
        return (self.folder / f"host-{host}.log").read_text(errors="replace")


@contextmanager
def installation(*, tls: bool, threads: int = 8, durable: bool = False) -> Iterator[Installation]:
    """Start all of it, 35 seconds; end it in the end. `durable`: PostgreSQL flushes to disk, as for figures."""
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="callboard-hosts-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # PostgreSQL runs as another user
        certificates = make_certificates(folder / "tls") if tls else None
        cluster = ending.enter_context(Cluster(folder, certificates=certificates))
        servers = ending.enter_context(pair({**(DURABLE if durable else {}), **(certificates.settings if certificates else {})}))
        servers.primary.execute("CREATE DATABASE callboard")
        servers.primary.execute("ALTER DATABASE callboard SET synchronous_commit = on")
        url = servers.url("callboard", certificates.sql_query if certificates else "")
        migrate(url)
        environment = {
            "CALLBOARD_DATABASE_URL": url,
            "CALLBOARD_BROKER_URL": cluster.tls_url(certificates) if certificates else cluster.url,
            "CALLBOARD_MANAGEMENT_URL": cluster.management_url,
            "CALLBOARD_ACTORS": "tests.actors.chaos",
            "CALLBOARD_SECRET_KEY": "the same on all hosts",
            "CALLBOARD_LOG_FORMAT": "json",
        }
        ending.enter_context(patch.dict(os.environ, {**environment, "CALLBOARD_DATA_DIR": str(folder / "here")}))
        ending.callback(get_settings.cache_clear)
        get_settings.cache_clear()
        database = Database(url)
        ending.callback(database.engine.dispose)
        use_database(database)
        ending.callback(use_database, None)
        create_effects(database)
        publisher = Publisher()
        ending.callback(publisher.close)
        ending.enter_context(envelopes.publisher.replaced(publisher.hand_off))
        made = Installation(folder, cluster, servers, database, environment, [], [])
        for number in range(1, HOSTS + 1):
            own = {**environment, "CALLBOARD_DATA_DIR": str(folder / f"host-{number}")}
            fleet = ending.enter_context(Fleet(own, folder / f"host-{number}.log", workers=1, threads=threads))
            command, where, web = web_command()
            fleet.add("web", command, where)
            made.fleets.append(fleet)
            made.urls.append(web)
        eventually(lambda: _workers(database) >= HOSTS, deadline_s=90, what="the workers of both hosts are registered")
        for web in made.urls:
            eventually(partial(_is_ready, web), deadline_s=60, what=f"{web} is ready")
        yield made


def _workers(database: Database) -> int:
    with database.read() as session:
        return len(alive(session))


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
