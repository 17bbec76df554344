"""Private RabbitMQ node: the distribution's package with its own files, users and ports on the loopback address.

It is optional: with CALLBOARD_BROKER_URL there is no node. Its data is disposable because SQL holds the truth,
so a new RabbitMQ series starts with an empty folder.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ... import COMMAND
from ...configuration.kept_secrets import kept_secret
from . import boot_script, node_files
from .node_files import ADMIN_USER, APP_USER, VHOST

#: grace in seconds for a stopping node to write its files
STOP_TIMEOUT = 30.0
#: Erlang schedulers, limited so that a private node does not occupy a big machine
MOST_SCHEDULERS = 4
#: cores that a node shares with workers and web processes: there one scheduler serves as fast as two, and idles cheaper
FEW_CORES = 2
#: freed segments of memory that Erlang keeps; with RabbitMQ's default of 30, those of its start stay for minutes: 15 MB
KEPT_SEGMENTS = 2
#: Erlang processes and atoms, a table each: RabbitMQ's defaults are for ten thousands of connections and take 10 MB
PROCESSES, ATOMS = 65_536, 1_000_000


class NodeError(Exception):
    """A node operation failed; the text says what happened, why, and the cure."""


@dataclass(frozen=True)
class Ports:
    """The TCP ports of a node, all on 127.0.0.1."""

    amqp: int
    management: int
    prometheus: int
    distribution: int
    epmd: int


class Node:
    """A RabbitMQ node in one folder: start, wait until ready, stop, URLs."""

    def __init__(
        self,
        folder: Path,
        *,
        launcher: Path,
        ports: Ports,
        marker: Mapping[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.launcher = launcher.resolve()
        self.ports = ports
        self.process: subprocess.Popen[bytes] | None = None
        self._marker = dict(marker or {})
        self._prepare = prepare  # called in the new process before exec
        self._known: dict[str, str] = {}  # cached by file: running processes know them, so they must survive a deleted folder

    @property
    def password(self) -> str:
        """Password of the application's user, created once."""
        return self._kept("app_password", lambda: secrets.token_urlsafe(18))

    @property
    def admin_password(self) -> str:
        """Password of the management UI's admin, created once."""
        return self._kept("admin_password", lambda: secrets.token_urlsafe(18))

    @property
    def user(self) -> str:
        """The application's user."""
        return APP_USER

    @property
    def amqp_url(self) -> str:
        """The value for CALLBOARD_BROKER_URL."""
        return self.url_of(VHOST)

    def url_of(self, vhost: str) -> str:
        """The AMQP URL of one virtual host."""
        return f"amqp://{APP_USER}:{self.password}@127.0.0.1:{self.ports.amqp}/{vhost}"

    @property
    def management_url(self) -> str:
        """The management UI, without credentials."""
        return f"http://127.0.0.1:{self.ports.management}"

    @property
    def series(self) -> str:
        """The RabbitMQ series, e.g. 3.10; its data files are only valid within a series."""
        found = re.search(r"rabbitmq_server-(\d+\.\d+)", str(self.launcher))
        return found[1] if found else "any"

    @property
    def name(self) -> str:
        """The Erlang node name. Always at localhost, so that a changed host name or a copied folder does not matter."""
        return self._kept("name", lambda: f"callboard-{secrets.token_hex(4)}@localhost")

    @property
    def pid(self) -> int | None:
        """The process id while the node is running."""
        return self.process.pid if self.process and self.process.poll() is None else None

    def start(self) -> subprocess.Popen[bytes]:
        """Write the configuration and launch the node; `wait_ready` waits for it."""
        node_files.write(self.folder, asdict(self.ports), {APP_USER: self.password, ADMIN_USER: self.admin_password})
        environment = self.environment()
        boot_script.use(self.folder, self.launcher, environment)
        with open(self.folder / "log" / "startup.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(self.launcher)],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._prepare,
            )
        return self.process

    def wait_ready(
        self,
        timeout: float = 90.0,
        *,
        waiting: Callable[[], None] = lambda: None,
        cannot_login: Callable[[str], str | None] | None = None,
    ) -> None:
        """Wait until the application's user can log in; raise NodeError if the node dies or after `timeout` seconds.

        `waiting` is called between polls, so that the caller can notice a stop request. `cannot_login` tries a URL, by default in this process.
        """
        try_login = cannot_login or _login_problem
        deadline = time.monotonic() + timeout
        while True:
            refused = self._refuses() or try_login(self.amqp_url)
            if refused is None:
                return
            if self.process is not None and self.process.poll() is not None:
                raise NodeError(self._why(f"RabbitMQ stopped during startup (exit code {self.process.returncode})"))
            if time.monotonic() > deadline:
                raise NodeError(self._why(f"RabbitMQ was not ready within {timeout:.0f} s: {refused}"))
            waiting()
            time.sleep(0.1)  # poll interval; the loop has a deadline

    def _refuses(self) -> str | None:
        try:
            socket.create_connection(("127.0.0.1", self.ports.amqp), timeout=5).close()
        except OSError as error:
            return f"127.0.0.1:{self.ports.amqp} does not answer ({error.strerror or error})"
        return None

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Stop the node gracefully and end its epmd; kill a node that does not stop."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        self.stop_epmd()

    def kill(self) -> None:
        """Kill the node, like a power cut."""
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop_epmd(self) -> None:
        """End this node's epmd, which daemonises itself and outlives the node. Its port is private to the node."""
        epmd = shutil.which("epmd", path=_path(self.launcher))
        if epmd:
            command = [epmd, "-port", str(self.ports.epmd), "-kill"]
            subprocess.run(command, env=self.environment(), capture_output=True, timeout=10)

    def ctl(self, *arguments: str, timeout: float = 60.0) -> str:
        """Run rabbitmqctl against this node and return its output."""
        command = [str(self.launcher.with_name("rabbitmqctl")), "-q", "-n", self.name, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=timeout)
        if done.returncode != 0:
            raise NodeError(f"rabbitmqctl {' '.join(arguments)} failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def environment(self) -> dict[str, str]:
        """The complete environment of the node, without the caller's RABBITMQ_* and ERL_* variables.

        Paths are relative to the node's folder, its working directory, but for one: RabbitMQ's scripts misread # ? % and quotes
        in a path.
        """
        conf = Path("conf")
        cores = os.cpu_count() or 1
        schedulers = 1 if cores <= FEW_CORES else min(cores, MOST_SCHEDULERS)
        return {
            "PATH": _path(self.launcher),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "HOME": "home",
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_CONF_ENV_FILE": str(boot_script.VARIABLES),
            "RABBITMQ_CONFIG_FILE": str(conf / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(conf / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(conf / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(conf / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / f"data-{self.series}"),  # RabbitMQ 4 does not start with a relative one
            "RABBITMQ_LOG_BASE": "log",
            "RABBITMQ_LOGS": f"{self.name}.log",  # within it
            "RABBITMQ_UPGRADE_LOG": f"{self.name}_upgrade.log",
            "RABBITMQ_PID_FILE": "pid",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.ports.amqp),
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"-kernel inet_dist_use_interface {{127,0,0,1}} +S {schedulers}:{schedulers} +MMmcs {KEPT_SEGMENTS}"
            ),
            # Erlang has allocators of its own; what libraries and the code loader free stays in the C library's arena of each thread.
            "MALLOC_ARENA_MAX": "1",
            "RABBITMQ_MAX_NUMBER_OF_PROCESSES": str(PROCESSES),
            "RABBITMQ_MAX_NUMBER_OF_ATOMS": str(ATOMS),
            "ERL_EPMD_PORT": str(self.ports.epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # A minimal root file system has no /etc/hosts: define localhost for Erlang.
            "ERL_INETRC": str(conf / "inetrc"),
            # The launcher then execs the Erlang VM, so this process id is the node's and SIGTERM stops it gracefully.
            "RUNNING_UNDER_SYSTEMD": "true",
            **self._marker,
        }

    def _kept(self, file: str, make: Callable[[], str]) -> str:
        """Text of a file created once, and recreated with the same text if it was deleted."""
        self._known[file] = kept_secret(self.folder / file, make=lambda: self._known.get(file) or make())
        return self._known[file]

    def _why(self, what: str) -> str:
        lines = self._last_log_lines(12)
        text = "\n".join(f"    {line}" for line in lines)
        return f"{what}.\nThe end of {self.folder / 'log'}:\n{text}\n{_cure(' '.join(lines), self.folder)}"

    def _last_log_lines(self, count: int) -> list[str]:
        logs = [path for path in (self.folder / "log").glob("*.log") if path.stat().st_size]
        if not logs:
            return ["(nothing was logged)"]
        newest = max(logs, key=lambda path: path.stat().st_mtime)
        lines = newest.read_text(errors="replace").splitlines()
        return [line for line in lines if line.strip()][-count:]


def _login_problem(url: str) -> str | None:
    from ...broker.core.connections import cannot_login  # imported late: the supervisor tries it apart, and does without pika

    return cannot_login(url)


def _path(launcher: Path) -> str:
    standard = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"
    return f"{launcher.parent}:{os.environ.get('PATH', standard)}:{standard}"


def _cure(log: str, folder: Path) -> str:
    """The command that fixes the error found in the log."""
    quoted = shlex.quote(str(folder))
    cures = {
        "eaddrinuse": f"A port is in use by another program. Run {COMMAND} up again: it picks free ports.",
        "enospc": f"The disk is full. Free space under {folder} (df -h {quoted}), then run {COMMAND} up again.",
        "eacces": f"Files are not accessible. Take ownership: sudo chown -R $(id -un) {quoted}",
        "cookie": f"The Erlang cookie is not usable. Remove it; a new one is created: rm -f {quoted}/home/.erlang.cookie",
    }
    lowered = log.lower()
    found = next((cure for sign, cure in cures.items() if sign in lowered), None)
    return (
        found or f"If its files are damaged, delete them (no job is lost: all jobs are in the database): rm -rf {quoted}, then {COMMAND} up"
    )
