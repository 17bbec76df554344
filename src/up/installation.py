"""Installation: the processes of one data folder, with the settings, state and logs that they share."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType

from ..broker.isolate import process_tree
from ..causes import Causes
from ..settings import Settings
from .checks.pulses import Pulses
from .data.configuration import read_settings
from .data.data_folder import Folder, State
from .parts import launch, leftovers
from .parts.launcher import Launcher
from .parts.part import Part, Process, ending
from .parts.part_logs import PartLogs
from .parts.terminal import lasting
from .rabbitmq.node import Node


class Installation:
    """Adds parts, and keeps `state.json` and the settings in step with them."""

    def __init__(
        self, folder: Folder, settings: Settings, launcher: Launcher, *, report: Callable[[str], None], echo: Callable[[str, str], None]
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.launcher = launcher
        self.report = lasting(report)
        self.logs = PartLogs(folder, lasting(echo))
        self.parts: list[Part] = []
        self.state = State(phase="starting")
        self.node: Node | None = None
        self.pulses = Pulses()
        self._causes = Causes()

    def add(self, role: str, name: str, listeners: Mapping[str, socket.socket] = MappingProxyType({})) -> None:
        """Start a process; it inherits the listeners, by the variables that name their descriptors."""

        def start() -> Process:
            inherited = {variable: each.fileno() for variable, each in listeners.items()}
            if role == "scheduler":
                return self.pulses.start(lambda pulse: self.launcher.start(role, name, {**inherited, launch.PULSE_FD: pulse}))
            return self.launcher.start(role, name, inherited)

        grace = self.settings.shutdown_timeout + leftovers.MARGIN if role == "worker" else leftovers.SHORT
        self.launch(Part(role, name, start, grace=grace))

    def launch(self, part: Part) -> None:
        """Start a part and keep it."""
        self.logs.add(part)
        part.start()
        self.parts.append(part)
        self.write(self.state)

    def configure(self, **variables: str) -> None:
        """Set environment variables for the child processes and for this one, which uses the same database."""
        self.launcher.configure(**variables)
        self.settings = read_settings()
        self.state = replace(
            self.state,
            broker_url=self.settings.broker_url,
            management_url=self.settings.management_url,
            database_url=self.settings.effective_database_url,
            smtp_url=self.settings.smtp_url,
            mail_admins=self.settings.mail_admins,
            actors=self.settings.actors,
        )

    def write(self, state: State) -> None:
        """Write the state with the present processes."""
        self.state = replace(state, parts=tuple(part.record for part in self.parts))
        self.folder.write_state(self.state)

    def reap_orphans(self, others: Iterable[int]) -> None:
        """Reap adopted processes that have ended: the supervisor adopts parts, and so all that a part leaves behind. `others`: other own children."""
        own = {process.pid for part in self.parts for process in part.processes} | self.launcher.pids | set(others)
        for pid in process_tree.children(os.getpid()):
            if pid not in own and process_tree.state(pid) == "Z":
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def attempt(self, step: Callable[[], None]) -> None:
        """Run a step; if it fails (full disk, no descriptor left), report the cause."""
        about = f"{step.__name__} "
        try:
            step()
            self._causes.passed(about)
        except OSError as error:
            if times := self._causes.count(f"{about}{error}"):
                self.report(f"The system refused: {error}" + (f" ({times} times)" if times > 1 else ""))

    def report_change(self, part: Part) -> None:
        """Report that a part has ended, or is back."""
        self.report_problem(part)
        if not part.problem:
            gone = "has ended" if part.exit_code == 0 else f"died: {ending(part.exit_code)}"  # a clean exit, e.g. after a stop command
            self.report(f"{part.name} is back (start {part.restarts + 1})" if part.running else f"{part.name} {gone}")

    def report_problem(self, part: Part) -> None:
        """Report why a part cannot be started."""
        about = f"{part.name} "
        if part.running:
            self._causes.passed(about)
        elif part.problem and (times := self._causes.count(f"{about}{part.problem}")):
            self.report(f"{part.name} cannot be started: {part.problem}; retrying with backoff ({times})")
