"""Throw-away real services for tests: a RabbitMQ node and a PostgreSQL cluster, each in its own folder on free ports.

All pytest processes of a run share one of each (`Shared`): the first that needs it starts it, a guard ends it with the
run.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg

from src.up import packages
from src.up.data import ports
from src.up.rabbitmq.node import Node, Ports
from src.up.rabbitmq.node_files import ADMIN_USER, APP_USER, TEMPLATES, VHOST
from tests.harness.waiting import eventually


class BrokerNode(Node):
    """The private node, as `./run up` starts it; `start` returns when it serves."""

    def start(self, *, wait: bool = True) -> subprocess.Popen[bytes]:
        process = super().start()
        if wait:
            self.wait_ready()
        return process

    def create_vhost(self, name: str) -> str:
        """Create a virtual host with the policies of rabbitmq/definitions.json and return its AMQP URL."""
        definitions = json.loads((TEMPLATES / "definitions.json").read_text().replace(f'"{VHOST}"', json.dumps(name)))
        everything = {"vhost": name, "configure": ".*", "write": ".*", "read": ".*"}
        definitions["permissions"] = [{"user": user, **everything} for user in (APP_USER, ADMIN_USER)]
        self.api("POST", "/api/definitions", definitions)
        # On a busy machine its message store starts after that answer; a queue declared before breaks its connection (541).
        eventually(
            lambda: set(self.api("GET", f"/api/vhosts/{name}").get("cluster_state", {}).values()) == {"running"},
            deadline_s=30, what=f"the virtual host {name} runs",
        )  # fmt: skip
        return self.url_of(name)

    def delete_vhost(self, name: str) -> None:
        """Remove a virtual host with all its queues."""
        self.api("DELETE", f"/api/vhosts/{name}")

    def complaints(self, most: int = 60) -> str:
        """Return the last warnings and errors of the node's log, without the connections that its clients dropped."""
        log = self.folder / "log" / f"{self.name}.log"
        wanted = re.compile(r"^\S+ \S+ \[(warning|error|critical|alert|emergency)\]")
        usual = re.compile(r"closing AMQP connection|client unexpectedly closed|^\S+ \S+ \S+ <\S+>\s*$")
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join([line for line in lines if wanted.match(line) and not usual.search(line)][-most:]) or "(none)"

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the management HTTP API as `admin`."""
        request = urllib.request.Request(self.management_url + path, method=method)
        credentials = base64.b64encode(f"{ADMIN_USER}:{self.admin_password}".encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, data, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def make_broker_node(folder: Path) -> BrokerNode:
    """Return a broker node in this folder on free ports; not started."""
    launcher = packages.rabbitmq_launcher()
    if launcher is None:
        raise RuntimeError("The tests need RabbitMQ. ./run test installs it, or: sudo apt-get install rabbitmq-server")
    picked = ports.anywhere(["amqp", "management", "prometheus", "distribution", "epmd"])
    return BrokerNode(folder, launcher=launcher, ports=Ports(**picked))


class Postgres:
    """A PostgreSQL cluster on a free port; durability is off, because it never outlives the tests."""

    def __init__(self, *, folder: Path | None = None, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        self._settings = dict(settings or {})
        found = packages.postgresql_folder()
        if found is None:
            raise RuntimeError("The tests need PostgreSQL. ./run test installs it, or: sudo apt-get install postgresql")
        self.programs = found
        self.port = port or ports.anywhere(["postgres"])["postgres"]
        self.process: subprocess.Popen[bytes] | None = None
        if port:
            assert folder is not None
            self.folder = folder  # another process's running cluster
            return
        self.folder = Path(tempfile.mkdtemp(prefix="callboard-postgres-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = unprivileged_user()
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
        self._make_data()

    def _make_data(self) -> None:
        self._run("initdb", "--no-sync", "--auth=trust", "--username=callboard", "--encoding=UTF8", "--locale=C", str(self.data))

    @property
    def data(self) -> Path:
        """Path of the cluster's data folder."""
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of one database."""
        return f"postgresql+psycopg://callboard@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and return when it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "400",
            "shared_buffers": "64MB",
            "dynamic_shared_memory_type": "mmap",  # a minimal root file system may have no usable /dev/shm
            **self._settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *options],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._as,
            )
        eventually(self._answers, deadline_s=30, what=f"PostgreSQL answers on port {self.port}; see {self.folder / 'log'}")

    def execute(self, statement: str) -> None:
        """Run one statement outside of any transaction."""
        with psycopg.connect(f"postgresql://callboard@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def copy(self, template: str, name: str) -> None:
        """Create a database as a copy of another, by its files: two fifths less CPU than through the log, the default since version 15."""
        with psycopg.connect(f"postgresql://callboard@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            how = " STRATEGY file_copy" if connection.info.server_version >= 150_000 else ""
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}{how}".encode())

    def stop(self) -> None:
        """End the server, even with clients connected."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server at once, as a power cut would."""
        self._end(signal.SIGQUIT)

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text(errors='replace')[-2000:]}")
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            **self._as,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}")


class Shared:
    """Services and migrated templates that all pytest processes of one run share, in a folder whose name they inherit."""

    #: names the folder to the pytest processes that the first one starts
    VARIABLE = "TESTS_SHARED_FOLDER"

    def __init__(self) -> None:
        self._guard: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []  # kept referenced: collecting a Popen while its process runs emits a warning
        if self.VARIABLE not in os.environ:
            os.environ[self.VARIABLE] = tempfile.mkdtemp(prefix="callboard-tests-")
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "tests.harness.guard", os.environ[self.VARIABLE]], stdin=subprocess.PIPE, start_new_session=True
            )
        self.folder = Path(os.environ[self.VARIABLE])

    def close(self) -> None:
        """End the shared services, if this process started them."""
        if self._guard is not None:
            self._guard.communicate()
            for process in self._started:
                process.wait()
            del os.environ[self.VARIABLE]

    def leave(self) -> None:
        """In a fork: leave the services to the process that started them."""
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._started.append(self._guard)
            self._guard = None

    @property
    def _node_folder(self) -> Path:
        return self.folder / "node #?%25 é"  # RabbitMQ's scripts misread such characters in some of their variables

    def start_node(self) -> dict[str, int]:
        """Start the run's RabbitMQ, unless it is started, and return its ports without waiting for it."""

        def start() -> dict[str, int]:
            node = make_broker_node(self._node_folder)
            self._ends(node.start(wait=False))
            return asdict(node.ports)

        found: dict[str, int] = self._once("node", start)
        return found

    def node(self) -> BrokerNode:
        """Return the run's RabbitMQ, started by the first caller, when it serves."""
        ports = Ports(**self.start_node())
        launcher = packages.rabbitmq_launcher()
        assert launcher is not None
        node = BrokerNode(self._node_folder, launcher=launcher, ports=ports)
        node.wait_ready()
        return node

    def postgres(self) -> Postgres:
        """Return the run's PostgreSQL, started by the first caller."""

        def start() -> dict[str, Any]:
            server = Postgres()
            with suppress_on_error(server.remove):
                server.start()
            assert server.process is not None
            self._ends(server.process, server.folder)
            return {"folder": str(server.folder), "port": server.port}

        found = self._once("postgres", start)
        return Postgres(folder=Path(found["folder"]), port=found["port"])

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the JSON result of `make`, called only in the first process that asks."""
        return self._once(name, make)

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        kept = self.folder / f"{name}.json"
        with open(self.folder / f"{name}.lock", "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                kept.write_text(json.dumps(make()))
        return json.loads(kept.read_text())

    def _ends(self, process: subprocess.Popen[bytes], folder: Path | None = None) -> None:
        self._started.append(process)
        with open(self.folder / "ends", "a") as ends:
            ends.write(f"{process.pid} {folder or ''}\n")


@contextmanager
def suppress_on_error(clean: Callable[[], None]) -> Iterator[None]:
    """Clean up if the block fails, and re-raise the error."""
    try:
        yield
    except BaseException:
        with suppress(Exception):
            clean()
        raise


def random_name(prefix: str) -> str:
    """Return an unused name: tests share services, never names."""
    return f"{prefix}_{secrets.token_hex(5)}"


def unprivileged_user() -> pwd.struct_passwd:
    """Return the user that runs PostgreSQL for root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")
