"""Start of `./run up`: RabbitMQ, database, application, then each part in its order, until all are ready."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .. import COMMAND
from ..configuration.kept_secrets import kept_secret
from ..formats.quantities import counted
from . import packages
from .data.data_folder import PartRecord
from .data.process_identity import MARK, identify
from .errors import UpError
from .installation import Installation
from .parts import launch, leftovers
from .parts.actor_loading import load_actors
from .parts.part import Part, ending
from .rabbitmq.node import Node, NodeError, Ports

#: module of the checks that run apart
READINESS = "up.checks.readiness"
#: seconds between looks at what is not ready yet, and at the parts meanwhile
SOON, LOOK = 0.03, 0.1
#: startup timeout of a process in seconds; a cold RabbitMQ on a slow machine needs most of it
READY_TIMEOUT = 120.0
#: first candidate port of the built-in mailbox
MAILBOX_PORT = 2525
#: attempts to start the node on other ports after a port conflict
PORT_TRIES = 3


class Stopped(Exception):
    """A stop was requested during startup."""


class Start:
    """One start of an installation; `is_stopped` tells whether a stop was requested meanwhile."""

    def __init__(self, installation: Installation, is_stopped: Callable[[], bool]) -> None:
        self._here = installation
        self._is_stopped = is_stopped
        self._listener: socket.socket | None = None
        self._is_node_ready = False

    def run(self) -> None:
        """Start everything; return when it serves. Raises UpError, NodeError or Stopped."""
        here = self._here
        begun = float(os.environ.pop(launch.BEGUN_AT, time.monotonic()))
        us = identify(os.getpid())
        assert us is not None, "a living process has an identity"
        here.state = replace(here.state, supervisor=PartRecord("supervisor", "supervisor", us.pid, us.started, "running", 0))
        if problem := launch.shared_memory_problem():
            raise UpError(problem)
        explicit = here.settings.model_fields_set
        self._listener = launch.listen(here.settings, here.folder, exact="port" in explicit and here.settings.port != 0)
        self._use_port(self._listener.getsockname()[1])
        if "broker_url" not in explicit:
            self._add_node()
        self._prepare_database()
        if not here.settings.smtp_url:
            self._add_mailbox()
        self._add_web()
        self._wait_for_broker()
        since = self._apart(f"{READINESS}:database_time")
        here.add("scheduler", "scheduler")
        for number in range(1, here.settings.workers + 1):
            here.add("worker", f"worker-{number}")
        self._apart(f"{READINESS}:wait_for_workers", since, here.settings.workers, READY_TIMEOUT)
        if any(part.role == "mailbox" for part in here.parts):
            self._apart(f"{READINESS}:wait_for_mailbox", here.settings.smtp_url, READY_TIMEOUT)
        self._apart(f"{READINESS}:wait_for_web", here.state.url, READY_TIMEOUT)
        here.report(f"{counted(here.settings.workers, 'worker')}, scheduler and web are ready")
        here.write(replace(here.state, phase="ready", seconds=round(time.monotonic() - begun, 1)))

    def _use_port(self, port: int) -> None:
        here = self._here
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(here.settings.host, here.settings.host)
        here.state = replace(here.state, url=f"http://{host}:{port}")
        here.configure(CALLBOARD_PORT=str(port), CALLBOARD_HOST=here.settings.host, CALLBOARD_WORKERS=str(here.settings.workers))
        here.folder.remember_ports({"web": port})

    def _add_node(self) -> None:
        here = self._here
        launcher = packages.rabbitmq_launcher()
        if launcher is None:
            raise UpError(f"RabbitMQ is not installed.\nInstall it:  {packages.install_line([packages.RABBITMQ])}")
        ports = here.folder.node_ports()
        here.folder.remember_ports(ports)
        here.node = Node(
            here.folder.broker,
            launcher=launcher,
            ports=Ports(**ports),
            marker={MARK: str(here.folder.path)},
            prepare=launch.with_supervisor(signal.SIGKILL),  # an Erlang VM that is just starting drops SIGTERM, and would stay
        )
        first = not (here.folder.broker / f"data-{here.node.series}").exists()
        here.report(f"RabbitMQ {here.node.series} is starting" + (" for the first time, which takes longer" if first else ""))
        here.configure(CALLBOARD_BROKER_URL=here.node.amqp_url, CALLBOARD_MANAGEMENT_URL=here.node.management_url)
        here.launch(Part("broker", "broker", here.node.start, grace=leftovers.BROKER))

    def _prepare_database(self) -> None:
        here = self._here
        if (preloaded := here.launcher.preload()) is not None:
            while (problem := preloaded.outcome()) is None:
                self._look_while_starting()
                time.sleep(SOON)
            if problem:
                preloaded.close()
                raise UpError(problem)
            here.launcher.use(preloaded)
        if password := self._apart("up.verbs.database:prepare"):
            here.folder.keep_admin_password(password)
            here.state = replace(here.state, first_start=True)
        is_sqlite = here.settings.effective_database_url.startswith("sqlite")
        here.report("SQLite is ready (single host; set CALLBOARD_DATABASE_URL to use PostgreSQL)" if is_sqlite else "PostgreSQL is ready")
        if preloaded is None:
            load_actors()

    def _add_mailbox(self) -> None:
        """Start the built-in mailbox if no mail server is configured."""
        here = self._here
        listener = launch.listen_on("127.0.0.1", here.folder.remembered_ports().get("mailbox", MAILBOX_PORT), exact=False)
        port = listener.getsockname()[1]
        here.folder.remember_ports({"mailbox": port})
        password = kept_secret(here.folder.path / "mailbox_password")
        admins = here.settings.mail_admins or "admin@localhost"
        here.configure(CALLBOARD_SMTP_URL=f"smtp://callboard:{password}@127.0.0.1:{port}", CALLBOARD_MAIL_ADMINS=admins)
        here.add("mailbox", "mailbox", {launch.MAILBOX_FD: listener})

    def _wait_for_broker(self) -> None:
        here = self._here
        if here.node is None:
            # Do not wait for it: jobs are accepted without it, and workers connect when it is back.
            missing = self._apart(f"{READINESS}:broker_missing", here.settings.broker_urls)
            if missing:
                until = " until then" if "CALLBOARD_BROKER_URL" in missing else "; workers connect when it is back"
                here.report(f"{missing}. Jobs are accepted and wait{until}")
            return
        for left in reversed(range(PORT_TRIES)):
            try:
                here.node.wait_ready(READY_TIMEOUT, waiting=self._look_while_starting, cannot_login=self._cannot_login)
                break
            except NodeError as error:
                if not left or "eaddrinuse" not in str(error):
                    raise
                # Another program took a port between our check and RabbitMQ's start. Web polls again with the new URL.
                self._replace_node()
        self._is_node_ready = True
        here.report(f"RabbitMQ {here.node.series} is ready on 127.0.0.1:{here.node.ports.amqp}")

    def _cannot_login(self, url: str) -> str | None:
        found: str | None = self._apart("broker.core.connections:cannot_login", url)
        return found

    def _replace_node(self) -> None:
        here = self._here
        for part in here.parts:
            if part.role in {"broker", "web"}:
                part.kill()
        here.parts = [part for part in here.parts if part.role not in {"broker", "web"}]
        self._add_node()
        self._add_web()

    def _add_web(self) -> None:
        here = self._here
        assert self._listener is not None, "the port is opened first"
        here.add("web", "web", {launch.WEB_FD: self._listener})

    def _apart(self, function: str, *arguments: Any) -> Any:
        """Call a function, MODULE:FUNCTION, apart: this process would keep what it imports. Looks at the parts meanwhile."""
        call = self._here.launcher.call(function, *arguments)
        try:
            while not call.is_over(LOOK):
                self._look_while_starting()
        except BaseException:
            call.abandon()
            raise
        return call.result()

    def _look_while_starting(self) -> None:
        here = self._here
        if self._is_stopped():
            raise Stopped
        here.logs.follow()
        for part in here.parts:
            if part.process is None:
                part.look()  # retries after a transient error
                here.report_problem(part)
            elif not part.running and (part.role != "broker" or self._is_node_ready):  # before, _wait_for_broker decides
                log, code = here.logs.path_of(part), part.process.returncode
                raise UpError(
                    f"{part.name} stopped during startup ({ending(code)}). The end of {log}:\n{here.logs.end_of(part)}\nFix that, then:  {COMMAND} up"
                )
