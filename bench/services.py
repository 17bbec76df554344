"""The services of one run: a private RabbitMQ, a durable PostgreSQL and, if installed, Redis; each emptied before each measurement."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench import postgres
from bench.processes import Group
from src.migrations import migrate
from src.up import packages
from src.up.data import ports
from src.up.rabbitmq.node import Node, Ports
from src.up.rabbitmq.node_files import ADMIN_USER, APP_USER


@dataclass(frozen=True)
class Place:
    """Resources of one measurement: a virtual host, a database, a Redis, a folder."""

    folder: Path
    amqp_url: str
    postgresql_url: str  # psycopg's form
    sqlite_file: Path
    redis_url: str

    @property
    def tally(self) -> Path:
        return self.folder / "tally"


class Services:
    """Starts everything in one temporary folder and removes it at the end."""

    def __init__(self, data: Path | None = None, *, redis: Sequence[str] = ()) -> None:
        """`data`: folder of PostgreSQL's databases, which stays; a new one, if None."""
        self._data = data
        self._redis_options = list(redis)
        self.folder = Path(tempfile.mkdtemp(prefix="callboard-bench-"))
        self.folder.chmod(0o755)  # PostgreSQL runs as another user below it
        launcher = packages.rabbitmq_launcher()
        programs = packages.postgresql_folder()
        if launcher is None or programs is None:
            raise SystemExit("The benchmark needs RabbitMQ and PostgreSQL: sudo apt-get install rabbitmq-server postgresql")
        picked = ports.anywhere(["amqp", "management", "prometheus", "distribution", "epmd", "postgres", "redis"])
        self.postgres_port, self._redis_port = picked.pop("postgres"), picked.pop("redis")
        self.node = Node(self.folder / "node", launcher=launcher, ports=Ports(**picked))
        self._programs = programs
        self._postgres: Group | None = None
        self._redis: Group | None = None

    def __enter__(self) -> Services:
        try:
            self.node.start()
            self.start_postgres()
            self.start_redis()
            self.node.wait_ready()
            self._execute("DROP DATABASE IF EXISTS template_ours WITH (FORCE)")
            self._execute("CREATE DATABASE template_ours")
            migrate(f"postgresql+psycopg://callboard@127.0.0.1:{self.postgres_port}/template_ours")
            migrate(f"sqlite:///{self.folder / 'template.db'}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_redis()
        self.stop_postgres()
        self.node.kill()
        self.node.stop_epmd()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def has_redis(self) -> bool:
        return self._redis is not None

    @property
    def broker_pid(self) -> int:
        assert self.node.pid is not None
        return self.node.pid

    @property
    def postgres_pid(self) -> int:
        assert self._postgres is not None
        return self._postgres.pid

    def versions(self) -> dict[str, str]:
        """The services' versions, for the report."""
        return {
            "RabbitMQ": self._api("GET", "/api/overview")["rabbitmq_version"],
            "PostgreSQL": self._execute("SHOW server_version")[0][0].split()[0],
        }

    @contextmanager
    def place(self, *, database: str | None = None, sqlite_file: Path | None = None) -> Iterator[Place]:
        """An empty place, emptied again at the end; or one with this database and this file, which stay."""
        name = f"bench_{secrets.token_hex(4)}"
        folder = self.folder / name
        (folder / "tally").mkdir(parents=True)
        if sqlite_file is None:
            shutil.copyfile(self.folder / "template.db", folder / "callboard.db")
        if database is None:
            self._execute(f"CREATE DATABASE {name} TEMPLATE template_ours")
        self._execute("CHECKPOINT")
        self._api("PUT", f"/api/vhosts/{name}")
        for user in (APP_USER, ADMIN_USER):
            self._api("PUT", f"/api/permissions/{name}/{user}", {"configure": ".*", "write": ".*", "read": ".*"})
        if self._redis is not None:
            subprocess.run(["redis-cli", "-p", str(self._redis_port), "flushall"], check=True, capture_output=True, timeout=30)
        try:
            yield Place(
                folder=folder,
                amqp_url=self.node.url_of(name),
                postgresql_url=f"postgresql://callboard@127.0.0.1:{self.postgres_port}/{database or name}",
                sqlite_file=sqlite_file or folder / "callboard.db",
                redis_url=f"redis://127.0.0.1:{self._redis_port}/0",
            )
        finally:
            self._api("DELETE", f"/api/vhosts/{name}")
            self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            shutil.rmtree(folder, ignore_errors=True)

    def _api(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(self.node.management_url + path, method=method)
        credentials = base64.b64encode(f"{ADMIN_USER}:{self.node.admin_password}".encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, None if body is None else json.dumps(body).encode(), timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def redis_info(self, section: str) -> dict[str, str]:
        """Return a section of Redis's INFO."""
        command = ["redis-cli", "-p", str(self._redis_port), "info", section]
        out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
        return dict(line.split(":", 1) for line in out.splitlines() if ":" in line)

    def _execute(self, statement: str) -> list[Any]:
        with psycopg.connect(f"postgresql://callboard@127.0.0.1:{self.postgres_port}/postgres", autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def stop_postgres(self) -> None:
        """Stop it as its restart does, with clients connected."""
        if self._postgres is not None:
            self._postgres.stop(signal.SIGINT)

    def stop_redis(self) -> None:
        """Stop it; it saves what it has."""
        if self._redis is not None:
            self._redis.stop()

    def start_postgres(self) -> None:
        """As the distribution configures it, above all with fsync and synchronous_commit on; only the addresses differ."""
        data = self._data or self.folder / "postgresql" / "data"
        self._postgres = postgres.serve(self._programs, data, self.postgres_port, log=self.folder / "postgresql.log")
        _eventually(lambda: self._execute("SELECT 1"), self._postgres)

    def start_redis(self) -> None:
        """Start it if it is installed."""
        program = shutil.which("redis-server")
        if program is None:
            return
        folder = self.folder / "redis"
        folder.mkdir(exist_ok=True)
        self._redis = Group(
            [program, "--port", str(self._redis_port), "--bind", "127.0.0.1", "--dir", str(folder), *self._redis_options],
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            cwd=folder,
            log=self.folder / "redis.log",
        )
        ping = ["redis-cli", "-p", str(self._redis_port), "ping"]
        _eventually(lambda: subprocess.run(ping, check=True, capture_output=True, timeout=5), self._redis)


def _eventually(answers: Callable[[], object], group: Group, deadline_s: float = 30.0) -> None:
    until = time.monotonic() + deadline_s
    while True:
        group.check()
        try:
            answers()
            return
        except (psycopg.OperationalError, subprocess.CalledProcessError):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
