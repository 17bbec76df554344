"""The ground a storm rages on: a database, a RabbitMQ node of its own, and what commands find in their environment."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from src.broker.publisher import Publisher
from src.database import Database, migrate, use_database
from src.jobs import envelopes
from src.settings import get_settings
from src.up import ports
from src.web.auth.tokens import create_token
from tests.harness.effects import create_effects
from tests.harness.services import BrokerNode, Postgres, make_broker_node, random_name


@dataclass
class Ground:
    """Everything a storm may break."""

    folder: Path
    database: Database
    node: BrokerNode
    postgres: Postgres | None
    vhost: str
    environment: dict[str, str]

    @property
    def log(self) -> Path:
        """Where the commands write."""
        return self.folder / "fleet.log"

    def delete_queues(self) -> int:
        """Delete every queue of the virtual host by hand, as a person in the management UI would."""
        queues = self.node.api("GET", f"/api/queues/{self.vhost}")
        for queue in queues:
            self.node.api("DELETE", f"/api/queues/{self.vhost}/{queue['name']}")
        return len(queues)

    def wipe_broker(self) -> None:
        """Take the broker everything it has: queues, messages, virtual hosts."""
        self.node.kill()
        shutil.rmtree(self.node.folder / f"data-{self.node.series}")
        self.node.start()


@contextmanager
def lay_ground(store: str) -> Iterator[Ground]:
    """Start all of it and take it away again; 15 seconds."""
    with ExitStack() as ending:
        folder = Path(tempfile.mkdtemp(prefix="callboard-storm-"))
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        node = make_broker_node(folder / "broker")
        ending.callback(node.stop_epmd)
        ending.callback(node.kill)
        node.start()
        server, url = None, f"sqlite:///{folder / 'callboard.db'}"
        if store == "postgresql":
            server = Postgres()
            ending.callback(server.remove)
            server.start()
            name = random_name("storm")
            server.execute(f"CREATE DATABASE {name}")
            # The tests' server forgets the last commits when it is killed; what is measured here is what Callboard forgets.
            server.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
            url = server.url(name)
        migrate(url)
        database = Database(url)
        ending.callback(database.engine.dispose)
        create_effects(database)
        use_database(database)
        ending.callback(use_database, None)
        environment = {
            "CALLBOARD_DATA_DIR": str(folder / "data"),
            "CALLBOARD_DATABASE_URL": url,
            "CALLBOARD_BROKER_URL": node.amqp_url,
            "CALLBOARD_ACTORS": "tests.actors.chaos",
            "CALLBOARD_SECRET_KEY": "of the storm",
        }
        ending.callback(get_settings.cache_clear)
        ending.enter_context(patch.dict(os.environ, environment))
        get_settings.cache_clear()
        publisher = Publisher()
        ending.callback(publisher.close)
        ending.enter_context(patch.object(envelopes, "_listener", publisher.hand_off))
        yield Ground(folder, database, node, server, "callboard", environment)


def kill_postgres(server: Postgres) -> None:
    """kill -9 of PostgreSQL's main process; its children notice and end."""
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(10)


def web_command() -> tuple[list[str], dict[str, str], str]:
    """How the web front end is started, its environment and its URL."""
    port = ports.anywhere(["web"])["web"]
    environment = {"CALLBOARD_HOST": "127.0.0.1", "CALLBOARD_PORT": str(port)}
    command = ["gunicorn", "-c", "python:src.up.gunicorn_conf", "src.web:create_app()"]
    return command, environment, f"http://127.0.0.1:{port}"


def submitters_token() -> str:
    """A token that may submit."""
    return create_token(random_name("storm"), "submitter")
