"""Supervisor: start all processes of one Callboard in order, keep them alive, stop them in order.

Not honcho: it starts everything at once, stops everything when one process dies, and has neither readiness nor drain.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from .. import migrations
from ..broker.core.log_throttle import LogThrottle
from ..database_url import parse
from ..settings import Settings, kept_secret
from ..sql.clock import now
from . import packages
from .checks import readiness, web_answers
from .checks.silent_schedulers import SilentSchedulers
from .data.configuration import masked, read_settings
from .data.data_folder import Folder, PartRecord, State, without_processes
from .data.log_files import LogFile, is_for_terminal, last_lines, readable
from .data.process_identity import MARK, identify
from .errors import UpError
from .parts import launch, leftovers, warm
from .parts.part import Part, ending
from .parts.reloading import Reload
from .parts.terminal import lasting
from .parts.watching import Watch
from .rabbitmq.node import Node, NodeError, Ports
from .verbs import front_door

#: seconds between looks at the processes
LOOK = 0.1
#: startup timeout of a process in seconds; a cold RabbitMQ on a slow machine needs most of it
READY_TIMEOUT = 120.0
#: seconds between checks of the log sizes
ROTATE_EVERY = 10.0
#: first candidate port of the built-in mailbox
MAILBOX_PORT = 2525
#: attempts to start the node on other ports after a port conflict
PORT_TRIES = 3


class Stopped(Exception):
    """A stop was requested during startup."""


class Supervisor:
    """The process that owns all processes of a data folder."""

    def __init__(
        self,
        folder: Folder,
        settings: Settings,
        *,
        report: Callable[[str], None],
        echo: Callable[[str, str], None],
        run: launch.Run | None = None,
        watch: bool = False,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.parts: list[Part] = []
        self.state = State(phase="starting")
        self.node: Node | None = None
        self._report = lasting(report)
        self._echo = lasting(echo)
        self._causes = LogThrottle()
        self._stops = 0
        self._logs: dict[str, LogFile] = {}
        self._rotate_at = 0.0
        self._listener: socket.socket | None = None
        self._mailbox: socket.socket | None = None
        self._watches = watch
        # A fork has the code of this process, not the saved one.
        self._run = run if sys.platform == "linux" and not watch else None
        self._watch: Watch | None = None
        self._silence: SilentSchedulers | None = None
        self._reload: Reload | None = None
        self._environment = {MARK: str(folder.path), "CALLBOARD_DATA_DIR": str(folder.path)}

    def run(self, announce: Callable[[State], None]) -> None:
        """Start, call `announce` when ready, watch until a stop is requested, then stop; raise UpError if a process cannot start."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores it
                signal.signal(number, self._on_signal)
        problem = ""
        try:
            self._start()
            lasting(announce)(self.state)
            if self._watches:
                self._watch = Watch(self.settings, report=self._report)
            self._silence = SilentSchedulers(self.settings.effective_database_url)
            while not self._stops:
                self._look()
                time.sleep(LOOK)
        except Stopped:
            pass
        except (UpError, NodeError, OSError) as error:
            problem = str(error)
            raise
        finally:
            self._stop(problem)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # A closed terminal and its shell both send SIGHUP: do not count it as a second Ctrl-C.
        self._stops = max(self._stops, 1) if number == signal.SIGHUP else self._stops + 1

    # --- start -------------------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        begun = float(os.environ.pop(launch.BEGUN_AT, time.monotonic()))
        us = identify(os.getpid())
        assert us is not None, "a living process has an identity"
        self.state = replace(self.state, supervisor=PartRecord("supervisor", "supervisor", us.pid, us.started, "running", 0))
        if problem := launch.shared_memory_problem():
            raise UpError(problem)
        explicit = self.settings.model_fields_set
        self._listener = launch.listen(self.settings, self.folder, exact="port" in explicit and self.settings.port != 0)
        self._use_port(self._listener.getsockname()[1])
        if "broker_url" not in explicit:
            self._add_node()
        self._prepare_database()
        if not self.settings.smtp_url:
            self._add_mailbox()
        self._add_web()
        self._wait_for_broker()
        since = now()
        self._add("scheduler", "scheduler")
        for number in range(1, self.settings.workers + 1):
            self._add("worker", f"worker-{number}")
        self._wait("Workers", lambda: readiness.workers_missing(since, self.settings.workers))
        if any(part.role == "mailbox" for part in self.parts):
            self._wait("Mailbox", lambda: readiness.mailbox_missing(self.settings.smtp_url))
        self._wait("Web", lambda: web_answers.web_missing(self.state.url))
        self._report(f"{self.settings.workers} worker{'s' if self.settings.workers != 1 else ''}, scheduler and web are ready")
        self._write(replace(self.state, phase="ready", seconds=round(time.monotonic() - begun, 1)))

    def _use_port(self, port: int) -> None:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.settings.host, self.settings.host)
        self.state = replace(self.state, url=f"http://{host}:{port}")
        self._set(CALLBOARD_PORT=str(port), CALLBOARD_HOST=self.settings.host, CALLBOARD_WORKERS=str(self.settings.workers))
        self.folder.remember_ports({"web": port})

    def _add_node(self) -> None:
        launcher = packages.rabbitmq_launcher()
        if launcher is None:
            raise UpError(f"RabbitMQ is not installed.\nInstall it:  {packages.install_line([packages.RABBITMQ])}")
        ports = self.folder.node_ports()
        self.folder.remember_ports(ports)
        self.node = Node(
            self.folder.broker,
            launcher=launcher,
            ports=Ports(**ports),
            marker={MARK: str(self.folder.path)},
            prepare=launch.with_supervisor(),
        )
        first = not (self.folder.broker / f"data-{self.node.series}").exists()
        self._report(f"RabbitMQ {self.node.series} is starting" + (" for the first time, which takes longer" if first else ""))
        self._set(CALLBOARD_BROKER_URL=self.node.amqp_url, CALLBOARD_MANAGEMENT_URL=self.node.management_url)
        self._launch(Part("broker", "broker", self.node.start, grace=leftovers.BROKER))

    def _prepare_database(self) -> None:
        url = parse(self.settings.effective_database_url)
        try:
            migrations.migrate()
            before = warm.open_files() if self._run is not None else set()
            password = front_door.ensure_admin()
        except migrations.MigrationRefused as error:
            raise UpError(str(error)) from None
        except (SQLAlchemyError, OSError) as error:
            raise UpError(_database_problem(url, error)) from None
        if self._run is not None:
            warm.preload()
            if warm.open_files() - before or threading.active_count() > 1:
                self._run = None
        if password:
            self.folder.keep_admin_password(password)
            self.state = replace(self.state, first_start=True)
        self._report(
            "SQLite is ready (single host; set CALLBOARD_DATABASE_URL to use PostgreSQL)"
            if url.get_backend_name() == "sqlite"
            else "PostgreSQL is ready"
        )

    def _add_mailbox(self) -> None:
        """Start the built-in mailbox if no mail server is configured."""
        self._mailbox = launch.listen_on("127.0.0.1", self.folder.remembered_ports().get("mailbox", MAILBOX_PORT), exact=False)
        port = self._mailbox.getsockname()[1]
        self.folder.remember_ports({"mailbox": port})
        password = kept_secret(self.folder.path / "mailbox_password")
        admins = self.settings.mail_admins or "admin@localhost"
        self._set(CALLBOARD_SMTP_URL=f"smtp://callboard:{password}@127.0.0.1:{port}", CALLBOARD_MAIL_ADMINS=admins)
        self._add("mailbox", "mailbox", listener=self._mailbox, variable=launch.MAILBOX_FD)

    def _wait_for_broker(self) -> None:
        if self.node is None:
            # Do not wait for it: jobs are accepted without it, and workers connect when it is back.
            missing = readiness.broker_missing(self.settings.broker_urls)
            if missing:
                self._report(f"RabbitMQ cannot be reached: {missing}. Jobs are accepted and wait; workers connect when it is back")
            return
        for left in reversed(range(PORT_TRIES)):
            try:
                self.node.wait_ready(READY_TIMEOUT, waiting=self._look_while_starting)
                break
            except NodeError as error:
                if not left or "eaddrinuse" not in str(error):
                    raise
                # Another program took a port between our check and RabbitMQ's start. Web polls again with the new URL.
                self._replace_node()
        self._report(f"RabbitMQ {self.node.series} is ready on 127.0.0.1:{self.node.ports.amqp}")

    def _replace_node(self) -> None:
        for part in self.parts:
            if part.role in {"broker", "web"}:
                part.kill()
        self.parts = [part for part in self.parts if part.role not in {"broker", "web"}]
        self._add_node()
        self._add_web()

    def _add(self, role: str, name: str, *, listener: socket.socket | None = None, variable: str = "") -> None:
        """Start a process; it inherits `listener`, whose descriptor number is in `variable`."""
        descriptors = () if listener is None else (listener.fileno(),)

        def start() -> subprocess.Popen[bytes]:
            handed_over = {variable: str(descriptors[0])} if descriptors else {}
            environment = {**self._environment, **handed_over}
            with self._alone() as is_alone:
                return launch.process(self.folder, role, name, environment, pass_fds=descriptors, run=self._run if is_alone else None)

        grace = self.settings.shutdown_timeout + leftovers.MARGIN if role == "worker" else leftovers.SHORT
        self._launch(Part(role, name, start, grace=grace))

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Keep other threads from holding a lock during a fork; yields False if one does."""
        if self._silence is None:
            yield True
        else:
            with self._silence.paused() as is_paused:
                yield is_paused

    def _add_web(self) -> None:
        assert self._listener is not None, "the port is opened first"
        self._add("web", "web", listener=self._listener, variable=launch.WEB_FD)

    def _launch(self, part: Part) -> None:
        if part.role != "broker":
            self._logs[part.name] = LogFile(self.folder.logs / f"{part.name}.log")
        part.start()
        self.parts.append(part)
        self._write(self.state)

    def _set(self, **variables: str) -> None:
        """Set environment variables for the child processes and for this one, which uses the same database."""
        self._environment.update(variables)
        os.environ.update(variables)
        self.settings = read_settings()
        self.state = replace(
            self.state,
            broker_url=self.settings.broker_url,
            management_url=self.settings.management_url,
            database_url=self.settings.effective_database_url,
            smtp_url=self.settings.smtp_url,
            mail_admins=self.settings.mail_admins,
        )

    def _wait(self, what: str, missing: Callable[[], str | None], *, timeout: float = READY_TIMEOUT) -> None:
        deadline = time.monotonic() + timeout
        while reason := missing():
            if time.monotonic() > deadline:
                raise UpError(
                    f"{what} did not become ready within {timeout:.0f} s: {masked('', reason)}.\nCheck:  ./run logs   ./run doctor"
                )
            self._look_while_starting()
            time.sleep(LOOK)

    def _look_while_starting(self) -> None:
        if self._stops:
            raise Stopped
        self._follow_logs()
        for part in self.parts:
            if part.process is None:
                part.look()  # retries after a transient error
                self._say_problem(part)
            elif not part.running:
                log = self._log_of(part)
                lines = "\n".join(f"    {line}" for line in last_lines(log, 15))
                code = part.process.returncode
                raise UpError(f"{part.name} stopped during startup ({ending(code)}). The end of {log}:\n{lines}\nFix that, then:  ./run up")

    def _log_of(self, part: Part) -> Path:
        return self.folder.broker / "log" / "startup.log" if part.role == "broker" else self.folder.logs / f"{part.name}.log"

    # --- watch -------------------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Run all periodic steps; a failing one (full disk, no descriptor left) is retried and must not stop the others."""
        for step in (self._look_at_parts, self._look_at_sources, self._follow_logs):
            self._attempt(step)

    def _attempt(self, step: Callable[[], None]) -> None:
        about = f"{step.__name__} "
        try:
            step()
            self._causes.passed(about)
        except OSError as error:
            if times := self._causes.count(f"{about}{error}"):
                self._report(f"The system refused: {error}" + (f" ({times} times)" if times > 1 else ""))

    def _look_at_parts(self) -> None:
        changed = False
        self._replace_silent()
        for part in self.parts:
            renewing = part.renewing
            if part.look():
                changed = True
                self._say_change(part, renewing=renewing)
        if changed:
            self._write(self.state)

    def _say_change(self, part: Part, *, renewing: bool) -> None:
        self._say_problem(part)
        if not part.problem and not renewing:
            gone = "has ended" if part.exit_code == 0 else f"died: {ending(part.exit_code)}"  # a clean exit, e.g. after a stop command
            self._report(f"{part.name} is back (start {part.restarts + 1})" if part.running else f"{part.name} {gone}")

    def _say_problem(self, part: Part) -> None:
        about = f"{part.name} "
        if part.running:
            self._causes.passed(about)
        elif part.problem and (times := self._causes.count(f"{about}{part.problem}")):
            self._report(f"{part.name} cannot be started: {part.problem}; retrying with backoff ({times})")

    def _look_at_sources(self) -> None:
        if self._watch is not None and self._watch.has_news():
            self._reload = Reload(self.parts, self._watch.changed, report=self._report)
        if self._reload is not None and self._reload.is_over():
            self._reload = None

    def _replace_silent(self) -> None:
        for part in self.parts:
            if part.role == "scheduler" and part.process and part.running and self._silence and self._silence.is_long(part.process.pid):
                self._report(f"{part.name} has no heartbeat: restarting it")
                part.kill()

    def _follow_logs(self) -> None:
        for name, log in self._logs.items():
            for line in filter(is_for_terminal, log.new_lines()):
                self._echo(name, readable(line))
        if time.monotonic() > self._rotate_at:
            self._rotate_at = time.monotonic() + ROTATE_EVERY
            for log in self._logs.values():
                log.rotate()

    def _write(self, state: State) -> None:
        self.state = replace(state, parts=tuple(part.record for part in self.parts))
        self.folder.write_state(self.state)

    # --- stop --------------------------------------------------------------------------------------------------------------------

    def _stop(self, problem: str) -> None:
        if self.parts and not problem:
            self._report("Stopping: workers finish their current jobs (Ctrl-C again: stop at once)")
        if self._watch is not None:
            self._watch.stop()
        if self._silence is not None:
            self._silence.close()
        impatient = self._stops + 1
        groups = (
            (("worker",), self.settings.shutdown_timeout + leftovers.MARGIN),
            (("web", "scheduler", "mailbox"), leftovers.SHORT),
            (("broker",), leftovers.BROKER),
        )
        for roles, timeout in groups:
            parts = [part for part in self.parts if part.role in roles]
            for part in parts:
                part.ask_to_stop()
            deadline = time.monotonic() + (leftovers.SHORT if problem and "worker" in roles else timeout)
            while any(part.running for part in parts) and time.monotonic() < deadline and self._stops < impatient:
                self._attempt(self._follow_logs)
                time.sleep(LOOK)
            for part in parts:
                part.kill()
        if self.node is not None:
            with suppress(OSError, subprocess.TimeoutExpired):  # may stay alive; the following steps must run
                self.node.stop_epmd()
        rest = without_processes(self.state, "failed" if problem else "stopped", problem)
        leftovers.end(self.folder, rest, shutdown_timeout=0, report=lambda _line: None)
        self.folder.write_state(rest)


def _database_problem(url: URL, error: Exception) -> str:
    shown = masked("database_url", url.render_as_string(hide_password=True))
    cause = str(getattr(error, "orig", None) or error).strip()
    if url.get_backend_name() == "sqlite":
        file = shlex.quote(str(url.database))
        return (
            f"The database {shown} cannot be used: {cause}.\nIs the disk full, or is the file owned by another user?  df -h ; ls -l {file}"
        )
    return f"The database {shown} cannot be used: {cause}.\nStart it or correct CALLBOARD_DATABASE_URL, then:  ./run up"
