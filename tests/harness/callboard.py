"""One Callboard for tests: a database, a virtual host, commands started on them, and ways to inspect its jobs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pika
import pika.exceptions
import pytest
from dramatiq import Message
from sqlalchemy import text

from src.broker.publish import publisher
from src.broker.publish.publisher import Publisher, hand_off
from src.jobs import submit
from src.jobs.attempts import attempt_logs
from src.jobs.core import envelopes
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.jobs.finish.settle import storable
from src.jobs.read.queries import find, page
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit_many
from src.settings import get_settings
from src.sql.database import Database, use_database
from src.up.data import ports
from tests.harness import fork_server
from tests.harness.commands import DEADLINE_S, MAILBOX, SCHEDULER, WEB, Command, Worker, worker_command
from tests.harness.services import BrokerNode, Postgres, random_name
from tests.harness.waiting import eventually

#: log events that show a bug in our own code, whatever a test does to broker and database
MISTAKES = re.compile(
    r"unexpected error|middleware_failed|lease_failed|relay_failed|reconciler_failed|confirmations_not_written|batch_not_storable|end_not_storable|retry_decision_failed"
    r"|Exception in thread|Traceback \(most recent call last\):\\n  File \"[^\"]*/src/broker"
)

_STATE = text("SELECT state FROM jobs WHERE id = :id")


class Callboard:
    """Everything between `actor.send()` and a result, not shared. As a context it ends whatever it has started.

    `settings` are environment variables; `CALLBOARD_` may be left out of lower-case names: `lease_duration=1`. `queues`:
    those that its workers serve unless a test says otherwise; each costs a connection, 20 ms of CPU. Empty: all.
    """

    def __init__(
        self,
        node: BrokerNode,
        database_url: str,
        folder: Path,
        *,
        actors: str = "",
        vhost: str = "",
        queues: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        self.node, self.folder, self.queues = node, folder, queues
        self.database = Database(database_url)
        self.vhost = vhost or random_name("callboard")
        self.broker_url = node.url_of(vhost) if vhost else node.create_vhost(self.vhost)
        self.environment = {
            "CALLBOARD_DATA_DIR": str(folder / "data"),
            "CALLBOARD_DATABASE_URL": database_url,
            "CALLBOARD_BROKER_URL": self.broker_url,
            "CALLBOARD_ACTORS": actors,
            "CALLBOARD_LOG_FORMAT": "json",
            "CALLBOARD_SECRET_KEY": "only for tests",
            **_named(settings),
        }
        self.commands: list[Command] = []
        self.url, self.mailbox_port = "", 0
        self._browser: urllib.request.OpenerDirector | None = None
        self._tokens: list[str] = []

    def __enter__(self) -> Callboard:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every command and remove the virtual host."""
        for command in self.commands:
            command.kill()
        self.database.engine.dispose()
        self.node.delete_vhost(self.vhost)

    @contextmanager
    def entered(self, **settings: Any) -> Iterator[Callboard]:
        """Use it in this process: settings, database, publisher."""
        patch = pytest.MonkeyPatch()
        for name, value in {**self.environment, **_named(settings)}.items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        patch.setattr(publisher, "_publisher", Publisher())
        use_database(self.database)
        try:
            with envelopes.publisher.replaced(hand_off):
                yield self
        finally:
            publisher.get_publisher().close()  # its confirmations belong in this database
            use_database(None)
            patch.undo()
            get_settings.cache_clear()

    # Commands.

    def start(self, *arguments: str, threads: int = 8, processes: int = 1, **settings: Any) -> Worker:
        """Start a worker command and return before it serves."""
        environment = {**os.environ, **self.environment, **_named(settings)}
        served = [] if "-Q" in arguments or not self.queues else ["-Q", *self.queues]
        worker = Worker(
            worker_command(*arguments, *served, threads=threads, processes=processes),
            environment,
            self.folder / f"{random_name('worker')}.log",
        )
        self.commands.append(worker)
        return worker

    def worker(self, *, threads: int = 4, queues: Sequence[str] = (), shutdown_s: float = 30, **settings: Any) -> Worker:
        """Start a worker command and return when it serves."""
        arguments = ["--worker-shutdown-timeout", str(int(shutdown_s * 1000)), *(["-Q", *queues] if queues else [])]
        worker = self.start(*arguments, threads=threads, **settings)
        worker.wait_until_serving()
        return worker

    @contextmanager
    def working(self, *arguments: str, threads: int = 8, check: bool = True, **settings: Any) -> Iterator[Worker]:
        """Yield a worker command that serves, until the end of the block; its log must show no bug in our own code."""
        worker = self.start(*arguments, threads=threads, **settings)
        try:
            worker.wait_until_serving()
            yield worker
        finally:
            worker.stop()
        if check:
            mistake = MISTAKES.search(worker.text())
            assert mistake is None, f"{mistake.group() if mistake else ''}; see {worker.log}:\n{worker.text()[-4000:]}"

    def scheduler(self) -> Command:
        """Start a scheduler."""
        return self._command(SCHEDULER, "scheduler")

    def mailbox(self) -> Command:
        """Start a mailbox that catches mail, and let commands started from now on send to it."""
        port = self.mailbox_port = ports.anywhere(["mailbox"])["mailbox"]
        self.environment |= {
            "CALLBOARD_SMTP_URL": f"smtp://callboard:only-for-tests@127.0.0.1:{port}",
            "CALLBOARD_MAIL_ADMINS": "admin@localhost",
        }
        return self._command(MAILBOX, "mailbox")

    def web(self) -> str:
        """Start a web front end with an administrator and return its address when it is ready."""
        port = ports.anywhere(["web"])["web"]
        self.url = f"http://127.0.0.1:{port}"
        self.environment |= {"CALLBOARD_PORT": str(port)}
        command = self._command(WEB, "web")

        def answers() -> bool:
            assert command.process.poll() is None, command.text()
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)

        eventually(_tried(answers), deadline_s=DEADLINE_S, what=f"{self.url} answers; see {command.log}")
        return self.url

    def serve(self, *, processes: int = 1) -> None:
        """Start a mailbox, a worker and a web front end, and return when all of it is ready."""
        self.mailbox()
        self.queues = ()
        worker = self.start(threads=4, processes=processes)
        self.web()
        worker.wait_until_serving()

    def command(self, *words: str) -> str:
        """Run `./run VERB …`, which must succeed, and return its output."""
        return self._ran(fork_server.server().run(["-m", "src", *words], {**os.environ, **self.environment}))

    def python(self, program: str) -> str:
        """Run a program beside it, which must succeed, and return its output."""
        return self._ran(fork_server.server().run(["-c", program], {**os.environ, **self.environment})).strip()

    @staticmethod
    def _ran(done: subprocess.CompletedProcess[str]) -> str:
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _command(self, command: Sequence[str], name: str) -> Command:
        started = Command(command, {**os.environ, **self.environment}, self.folder / f"{name}.log")
        self.commands.append(started)
        return started

    # Its jobs, as SQL has them.

    def submit(self, message: Message[Any], **how: Any) -> str:
        """Submit in a transaction of its own and return the job's id."""
        with self.database.write() as session:
            return submit(session, message, **how).id

    def send(self, *messages: Message[Any]) -> list[str]:
        """Submit in one transaction and return the jobs' ids."""
        with self.database.write() as session:
            return [receipt.id for receipt in submit_many(session, [Submission(message) for message in messages])]

    def job(self, id: str) -> Job:
        """Return the job as SQL has it now."""
        with self.database.read() as session:
            job = find(session, id)
            assert job is not None, id
            session.expunge_all()
        return job

    def jobs(self, **filters: Any) -> list[Job]:
        """Return all matching jobs, newest first."""
        with self.database.read() as session:
            return page(session, limit=10_000, **filters).jobs

    def until(self, message: Message[Any] | str, *states: State, within_s: float = DEADLINE_S) -> Job:
        """Wait until the job is in one of these states (default: any final one) and return it."""
        id = message if isinstance(message, str) else message.message_id

        def arrived() -> Job | None:
            state = self.state(id)
            job = self.job(id) if (state in states if states else state.is_final) else None
            return job if job is not None and job.state is state else None

        found = eventually(arrived, deadline_s=within_s, what=f"job {id} is {states or 'final'}; see {self.folder}")
        assert found is not None
        return found

    def state(self, id: str) -> State:
        """Return the state of the job as SQL has it now: a twentieth of the CPU of `job`."""
        with self.database.engine.connect() as connection:
            state = connection.execute(_STATE, {"id": id}).scalar()
        assert state is not None, id
        return State(state)

    def ended(self, id: str, *, within_s: float = DEADLINE_S) -> Job:
        """Wait until the job is in a final state and return it."""
        return self.until(id, within_s=within_s)

    def alive(self) -> int:
        """Return the number of workers with a lease."""
        with self.database.read() as session:
            return int(session.execute(text("SELECT count(*) FROM workers WHERE stopped_at IS NULL AND lost_at IS NULL")).scalar_one())

    def log_of(self, id: str) -> list[tuple[int, int, str, str]]:
        """Return (attempt, number, level, text) of each line that the job has logged."""
        job = self.job(id)
        with self.database.read() as session:
            return [(line.attempt, line.number, line.level, line.text) for line in attempt_logs.read(session, job.seq)]

    def lines(self, name: str) -> list[str]:
        """Return the lines that actors have written to this file."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def wait_for(self, path: Path) -> None:
        """Wait until an actor has created this file."""
        eventually(path.exists, deadline_s=DEADLINE_S, what=f"{path} exists")

    @property
    def log(self) -> Path:
        """Path of the fleet's log."""
        return self.folder / "fleet.log"

    def worker_logs(self) -> str:
        """Return everything that its workers have printed."""
        return "".join(command.text() for command in self.commands if isinstance(command, Worker))

    # Its web front end.

    def one_time_link(self) -> str:
        """Return a link that signs the administrator in."""
        return self.python(
            f"from src.operations.people.sessions import one_time_link; from src.operations.people.users import ensure_admin; ensure_admin(); print(one_time_link({self.url!r}))"
        )

    def api(self, method: str, path: str, document: object = None) -> Any:
        """Call the API with an administrator's token; return the decoded answer, even of a refusal."""
        if not self._tokens:
            self._tokens.append(
                self.python(
                    "from src.operations.people.tokens import create_token; from src.operations.people.users import ensure_admin; ensure_admin(); print(create_token('tests', 'admin'))"
                )
            )
        data = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, method=method)
        request.add_header("Authorization", f"Bearer {self._tokens[0]}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            return json.load(refusal)

    def page(self, path: str) -> str:
        """Return a page as the administrator's browser gets it."""
        if self._browser is None:
            self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            self._browser.open(self.one_time_link(), timeout=DEADLINE_S).close()
        with self._browser.open(f"{self.url}{path}", timeout=DEADLINE_S) as answer:
            return str(answer.read().decode())

    def jobs_of(self, actor: str) -> list[dict[str, Any]]:
        """Return the newest jobs of an actor, as the API shows them."""
        listed: list[dict[str, Any]] = self.api("GET", f"/jobs?actor={actor}&limit=200")["jobs"]
        return listed

    def run(self, actor: str, *args: object) -> dict[str, Any]:
        """Submit a job through the API and wait for its end."""
        id = self.api("POST", "/jobs", {"actor": actor, "args": args})["id"]

        def ended() -> dict[str, Any] | None:
            job: dict[str, Any] = self.api("GET", f"/jobs/{id}")
            return job if job["finished_at"] else None

        job = eventually(ended, deadline_s=DEADLINE_S, interval_s=0.05, what=f"job {id} of {actor} ends")
        assert job is not None
        return job

    # Its virtual host, changed manually.

    def publish(self, *bodies: bytes, queue: str = "default") -> None:
        """Publish bodies like a plain AMQP client, confirmed."""
        connection = pika.BlockingConnection(pika.URLParameters(self.broker_url))
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            for body in bodies:
                publish_by_hand(channel, queue, body)
        finally:
            connection.close()

    def messages(self, queue: str) -> int:
        """Return the number of ready messages in a queue by AMQP; 0 while it is not declared."""
        connection = pika.BlockingConnection(pika.URLParameters(self.broker_url))
        try:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)
        except pika.exceptions.ChannelClosedByBroker:
            return 0
        finally:
            connection.close()

    def connections(self, purpose: str) -> list[str]:
        """Return the names of our connections of this purpose, from the management API."""
        return [
            one["name"]
            for one in self.node.api("GET", "/api/connections")
            if one["vhost"] == self.vhost
            and str(one.get("client_properties", {}).get("connection_name", "")).startswith(f"callboard {purpose}")
        ]

    def delete_queues(self) -> int:
        """Delete every queue of the virtual host, as an operator in the management UI would."""
        queues = self.node.api("GET", f"/api/queues/{self.vhost}")
        for queue in queues:
            self.node.api("DELETE", f"/api/queues/{self.vhost}/{queue['name']}")
        return len(queues)


def fresh_url(request: pytest.FixtureRequest, store: str, folder: Path) -> str:
    """Return the URL of a new migrated database; a file lies in `folder`."""
    if store == "sqlite":
        shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), folder / "callboard.db")
        return f"sqlite:///{folder / 'callboard.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    name = random_name("callboard")
    server.copy(request.getfixturevalue("_migrated_postgres"), name)
    return server.url(name)


def publish_by_hand(channel: Any, queue: str, body: bytes) -> None:
    """Publish until confirmed: a worker that serves may not have declared its queues yet, and a new queue has no leader."""

    def confirmed() -> bool:
        try:
            channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2), mandatory=True)
        except (pika.exceptions.NackError, pika.exceptions.UnroutableError):
            return False
        return True

    eventually(confirmed, deadline_s=DEADLINE_S, what=f"{queue} takes a message")


def as_kept(body: bytes) -> str | None:
    """Return a body as a held job shows it."""
    return storable(body.decode("utf-8", "backslashreplace"), 65_536)


def _named(settings: dict[str, Any]) -> dict[str, str]:
    return {name if name.isupper() else f"CALLBOARD_{name.upper()}": str(value) for name, value in settings.items()}


def _tried(answers: Any) -> Any:
    def tried() -> bool:
        try:
            return bool(answers())
        except OSError:
            return False

    return tried
