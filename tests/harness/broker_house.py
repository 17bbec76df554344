"""A house: a virtual host, a database and worker commands as users run them, with this process as one that submits."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pika
import pika.exceptions
import pytest
from dramatiq import Message

from src.broker import process_tree, publisher
from src.broker.publisher import Publisher, hand_off
from src.database import Database, use_database
from src.jobs import envelopes, submit, workers
from src.jobs.completion import storable
from src.jobs.envelopes import on_commit
from src.jobs.models import Job
from src.jobs.queries import find, page
from src.jobs.states import State
from src.settings import get_settings
from tests.harness import ROOT
from tests.harness.services import BrokerNode, Postgres, random_name
from tests.harness.waiting import eventually

#: seconds until something that usually takes milliseconds must have happened, on a machine that is busy with other things
DEADLINE_S = 60.0
#: log events that tell of a mistake in our own code, whatever a test does to broker and database
MISTAKES = re.compile(
    r"unexpected error|middleware_failed|lease_failed|relay_failed|reconciler_failed|mark_failed|batch_not_storable|end_not_storable|retry_decision_failed"
    r"|Exception in thread|Traceback \(most recent call last\):\\n  File \"[^\"]*/src/broker"
)


class Worker:
    """One `dramatiq src.actors` command in a process group of its own."""

    def __init__(self, house: House, environment: dict[str, str], *, threads: int, arguments: list[str]) -> None:
        self.log = house.folder / f"{random_name('worker')}.log"
        command = [str(Path(sys.executable).with_name("dramatiq")), "src.actors", "-p", "1", "-t", str(threads), *arguments]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def text(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def says(self, *words: str) -> bool:
        """Whether one printed line has all these words."""
        return any(all(word in line for word in words) for line in self.text().splitlines())

    def wait_until_serving(self) -> None:
        """Return when it has a lease and listens."""

        def serves() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"the worker ended:\n{self.text()[-3000:]}")
            return self.says("worker_serves") and self.says("consumer_connected")

        eventually(serves, deadline_s=DEADLINE_S, what=f"the worker serves; see {self.log}")

    def children(self) -> list[int]:
        """The processes that run jobs: those the main process was forked into."""
        named = [pid for pid in process_tree.children(self.process.pid) if Path(f"/proc/{pid}/cmdline").exists()]
        return [pid for pid in named if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def ask_to_stop(self) -> None:
        """SIGTERM, as a deploy does."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """SIGTERM and wait; whatever of it is left is killed."""
        if self.process.poll() is None:
            self.ask_to_stop()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(DEADLINE_S)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def publish_by_hand(channel: Any, queue: str, body: bytes) -> None:
    """Publish until it is confirmed: a worker that serves may not have declared its queues yet, and one just declared has no leader."""

    def confirmed() -> bool:
        with suppress(pika.exceptions.NackError, pika.exceptions.UnroutableError):
            channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2), mandatory=True)
            return True
        return False

    eventually(confirmed, deadline_s=DEADLINE_S, what=f"{queue} takes a message")


class House:
    """Everything between `actor.send()` and a result, for itself alone."""

    def __init__(self, node: BrokerNode, database_url: str, folder: Path) -> None:
        self.node = node
        self.folder = folder
        self.database = Database(database_url)
        self.vhost = random_name("house")
        self.broker_url = node.create_vhost(self.vhost)
        self.environment = {
            "CALLBOARD_DATABASE_URL": database_url,
            "CALLBOARD_BROKER_URL": self.broker_url,
            "CALLBOARD_DATA_DIR": str(folder / "data"),
            "CALLBOARD_ACTORS": "tests.actors.broker",
            "CALLBOARD_LOG_FORMAT": "json",
            "CALLBOARD_RECONCILE_INTERVAL": "2",
            "CALLBOARD_RECONCILE_AFTER": "4",
        }

    def remove(self) -> None:
        """End everything that belongs to it."""
        self.database.engine.dispose()
        self.node.delete_vhost(self.vhost)

    @contextmanager
    def entered(self, **settings: str) -> Iterator[House]:
        """Make it this process's own: settings, database, publisher."""
        patch = pytest.MonkeyPatch()
        for name, value in {**self.environment, **settings}.items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        patch.setattr(publisher, "_publisher", Publisher())
        listener = envelopes._listener
        on_commit(hand_off)
        use_database(self.database)
        try:
            yield self
        finally:
            publisher.get_publisher().close()  # what it has confirmed belongs into this database
            use_database(None)
            on_commit(listener)
            patch.undo()
            get_settings.cache_clear()

    @contextmanager
    def working(self, *arguments: str, threads: int = 8, check: bool = True, **settings: str) -> Iterator[Worker]:
        """A worker command that serves, until the end of the block; it must not have tripped over its own code."""
        worker = self.start(*arguments, threads=threads, **settings)
        try:
            worker.wait_until_serving()
            yield worker
        finally:
            worker.stop()
        if check:
            mistake = MISTAKES.search(worker.text())
            assert mistake is None, f"{mistake.group() if mistake else ''}; see {worker.log}:\n{worker.text()[-4000:]}"

    def start(self, *arguments: str, threads: int = 8, **settings: str) -> Worker:
        """A worker command that may not serve yet; the caller stops it."""
        environment = {**os.environ, **self.environment, **settings}
        return Worker(self, environment, threads=threads, arguments=list(arguments))

    def job(self, id: str) -> Job:
        """The job as SQL has it now."""
        with self.database.read() as session:
            job = find(session, id)
        assert job is not None, id
        return job

    def until(self, message: Message[Any] | str, *states: State) -> Job:
        """Wait until the job is in one of these states (none named: in any final one) and return it."""
        id = message if isinstance(message, str) else message.message_id

        def arrived() -> Job | None:
            job = self.job(id)
            return job if (job.state in states if states else job.state.is_final) else None

        found = eventually(arrived, deadline_s=DEADLINE_S, what=f"job {id} is {states or 'final'}")
        assert found is not None
        return found

    def jobs(self, **filters: Any) -> list[Job]:
        """All jobs that match, newest first."""
        with self.database.read() as session:
            return page(session, limit=10_000, **filters).jobs

    def submit(self, message: Message[Any], **how: Any) -> str:
        """Submit in a transaction of its own."""
        with self.database.write() as session:
            return submit(session, message, **how).id

    def wait_for(self, path: Path) -> None:
        """Wait until an actor has made this file."""
        eventually(path.exists, deadline_s=DEADLINE_S, what=f"{path} is there")

    def workers_alive(self) -> int:
        with self.database.read() as session:
            return len(workers.alive(session))

    # The broker, by hand.

    def publish(self, *bodies: bytes, queue: str = "default") -> None:
        """Publish bodies as a plain AMQP client does, confirmed."""
        connection = pika.BlockingConnection(pika.URLParameters(self.broker_url))
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            for body in bodies:
                publish_by_hand(channel, queue, body)
        finally:
            connection.close()

    def messages(self, queue: str) -> int:
        """Messages ready in a queue, as AMQP counts them; 0 while it is not declared."""
        connection = pika.BlockingConnection(pika.URLParameters(self.broker_url))
        try:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)
        except pika.exceptions.ChannelClosedByBroker:
            return 0
        finally:
            connection.close()

    def connections(self, purpose: str) -> list[str]:
        """The names by which the management API knows our connections of this purpose."""
        listed = self.node.api("GET", "/api/connections")
        return [
            one["name"]
            for one in listed
            if one["vhost"] == self.vhost
            and str(one.get("client_properties", {}).get("connection_name", "")).startswith(f"callboard {purpose}")
        ]


def open_house(request: pytest.FixtureRequest, store: str, folder: Path) -> House:
    """A house on this store, fresh."""
    if store == "sqlite":
        shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), folder / "callboard.db")
        url = f"sqlite:///{folder / 'callboard.db'}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        name = random_name("house")
        server.execute(f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('_migrated_postgres')}")
        url = server.url(name)
    return House(request.getfixturevalue("broker_node"), url, folder)


def as_kept(body: bytes) -> str | None:
    """A body as a held job shows it."""
    return storable(body.decode("utf-8", "backslashreplace"), 65_536)
