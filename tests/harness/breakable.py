"""A Callboard with its own services, for tests and drivers that stop, kill and wipe them."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from src.broker.publish.publisher import Publisher
from src.jobs.core import envelopes
from src.migrations import migrate
from src.operations.people.tokens import create_token
from src.settings import get_settings
from src.sql.database import use_database
from src.up.data import ports
from tests.harness.callboard import Callboard
from tests.harness.effects import create_effects
from tests.harness.services import BrokerNode, Postgres, make_broker_node, random_name


class Breakable(Callboard):
    """A Callboard whose RabbitMQ (`node`) and PostgreSQL (`postgres`, None on SQLite) are not shared."""

    def __init__(self, node: BrokerNode, postgres: Postgres | None, database_url: str, folder: Path, *, actors: str) -> None:
        super().__init__(node, database_url, folder, actors=actors, vhost="callboard", secret_key="of the storm")
        self.postgres = postgres

    def wipe_broker(self) -> None:
        """Delete everything from the broker: queues, messages, virtual hosts."""
        self.node.kill()
        shutil.rmtree(self.node.folder / f"data-{self.node.series}")
        self.node.start()

    def close(self) -> None:
        """End every command; the services end with their context."""
        for command in self.commands:
            command.kill()
        self.database.engine.dispose()


@contextmanager
def breakable(store: str, *, actors: str = "tests.actors.chaos") -> Iterator[Breakable]:
    """Start services and make this process a submitter; end everything in the end. Takes 15 seconds."""
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
            # The tests' server loses its last commits when it is killed; this test must see only Callboard's own losses.
            server.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
            url = server.url(name)
        migrate(url)
        callboard = Breakable(node, server, url, folder, actors=actors)
        ending.callback(callboard.close)
        create_effects(callboard.database)
        use_database(callboard.database)
        ending.callback(use_database, None)
        ending.callback(get_settings.cache_clear)
        ending.enter_context(patch.dict(os.environ, callboard.environment))
        get_settings.cache_clear()
        publisher = Publisher()
        ending.callback(publisher.close)
        ending.enter_context(envelopes.publisher.replaced(publisher.hand_off))
        yield callboard


def kill_postgres(server: Postgres) -> None:
    """kill -9 of PostgreSQL's main process; its children notice and end."""
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(10)


def web_command() -> tuple[list[str], dict[str, str], str]:
    """Return the web front end's command, its environment and its URL."""
    port = ports.anywhere(["web"])["web"]
    environment = {"CALLBOARD_HOST": "127.0.0.1", "CALLBOARD_PORT": str(port)}
    command = ["gunicorn", "-c", "python:src.up.gunicorn_conf", "src.web:create_app()"]
    return command, environment, f"http://127.0.0.1:{port}"


def submitters_token() -> str:
    """Return a token that may submit."""
    return create_token(random_name("storm"), "submitter")
