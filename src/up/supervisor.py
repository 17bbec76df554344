"""Supervisor: start all processes of one Callboard in order, keep them alive, stop them in order.

Not honcho: it starts everything at once, stops everything when one process dies, and has neither readiness nor drain.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

from ..settings import Settings
from .data.data_folder import Folder, State, without_processes
from .errors import UpError
from .installation import Installation
from .parts import leftovers
from .parts.launcher import Launcher
from .parts.preloaded import Preloaded, Run
from .parts.terminal import lasting
from .parts.watching import TrialImport, Watch
from .rabbitmq.node import NodeError
from .starting import READINESS, READY_TIMEOUT, Start, Stopped

if TYPE_CHECKING:
    from .parts.reloading import Reload

#: seconds between looks at the processes, logs and saved files
LOOK = 0.25


class Supervisor:
    """The process that owns all processes of a data folder."""

    def __init__(
        self,
        folder: Folder,
        settings: Settings,
        *,
        report: Callable[[str], None],
        echo: Callable[[str, str], None],
        run: Run | None = None,
        watch: bool = False,
    ) -> None:
        self.installation = Installation(folder, settings, Launcher(folder, run, reloads=watch), report=report, echo=echo)
        self._stops = 0
        self._watches = watch
        self._watch: Watch | None = None
        self._reload: Reload | None = None

    def run(self, announce: Callable[[State], None]) -> None:
        """Start, call `announce` when ready, watch until a stop is requested, then stop; raise UpError if a process cannot start."""
        here = self.installation
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores it
                signal.signal(number, self._on_signal)
        problem = ""
        try:
            Start(here, lambda: bool(self._stops)).run()
            lasting(announce)(here.state)
            if self._watches:
                self._watch = Watch(here.settings, report=here.report, load=lambda: here.launcher.preload() or TrialImport())
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

    def _look(self) -> None:
        """Run all periodic steps; a failing one (full disk, no descriptor left) is retried and must not stop the others."""
        here = self.installation
        for step in (self._look_at_parts, self._look_at_sources, here.logs.follow):
            here.attempt(step)

    def _look_at_parts(self) -> None:
        here = self.installation
        changed = False
        here.launcher.rest()
        self._replace_silent()
        for part in here.parts:
            if part.look():
                changed = True
                here.report_change(part)
        if changed:
            here.write(here.state)
        others = [each.pids for each in (self._watch, self._reload) if each is not None]
        here.reap_orphans(set().union(*others))

    def _look_at_sources(self) -> None:
        here = self.installation
        if self._watch is not None and (loaded := self._watch.news()) is not None:
            if isinstance(loaded, Preloaded):
                here.launcher.use(loaded)
            if self._reload is not None:
                self._reload.abandon()
            from .parts.reloading import Reload  # imported late: it needs SQL, and only a reload does

            self._reload = Reload(
                here.parts,
                self._watch.changed,
                since=self._watch.changed_at,
                report=here.report,
                ask_web=lambda: here.launcher.call(f"{READINESS}:wait_for_web", here.state.url, READY_TIMEOUT),
            )
        elif self._watch is not None and self._watch.pids:
            from .parts import reloading as _needed_soon  # noqa: F401 - while another process imports the saved code
        if self._reload is not None:
            if self._reload.is_over():
                self._reload = None
            here.write(here.state)

    def _replace_silent(self) -> None:
        here = self.installation
        here.pulses.keep({process.pid for part in here.parts for process in part.processes})
        for part in here.parts:
            if part.process and part.running and here.pulses.is_silent(part.process.pid):
                here.report(f"{part.name} has no pulse: restarting it")
                part.kill()

    def _stop(self, problem: str) -> None:
        here = self.installation
        if here.parts and not problem:
            here.report("Stopping: workers finish their current jobs (Ctrl-C again: stop at once)")
        if self._watch is not None:
            self._watch.stop()
        here.launcher.close()
        impatient = self._stops + 1
        groups = (
            (("worker",), here.settings.shutdown_timeout + leftovers.MARGIN),
            (("web", "scheduler", "mailbox"), leftovers.SHORT),
            (("broker",), leftovers.BROKER),
        )
        for roles, timeout in groups:
            parts = [part for part in here.parts if part.role in roles]
            for part in parts:
                part.ask_to_stop()
            deadline = time.monotonic() + (leftovers.SHORT if problem and "worker" in roles else timeout)
            while not all(part.is_over for part in parts) and time.monotonic() < deadline and self._stops < impatient:
                here.attempt(here.logs.follow)
                time.sleep(LOOK)
            for part in parts:
                part.kill()
        if here.node is not None:
            with suppress(OSError, subprocess.TimeoutExpired):  # may stay alive; the following steps must run
                here.node.stop_epmd()
        rest = without_processes(here.state, "failed" if problem else "stopped", problem)
        leftovers.end(here.folder, rest, shutdown_timeout=0, report=lambda _line: None)
        here.folder.write_state(rest)
