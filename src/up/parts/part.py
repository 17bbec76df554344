"""Supervised process: started, watched, and restarted with exponential backoff."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ..data.data_folder import PartRecord
from ..data.process_identity import Identity, identify, send_group

#: first and longest pause before a restart in seconds; doubled with each death
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
#: uptime in seconds after which the backoff is reset
HEALTHY_AFTER = 5.0
#: default grace in seconds between SIGTERM and SIGKILL
GRACE = 42.0
#: seconds to wait for a killed process; one that hangs in the kernel is abandoned
GONE = 5.0
#: transient errors: out of processes, memory or descriptors
PASSING = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


class Process(Protocol):
    """A child of the supervisor: a subprocess.Popen or a fork."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, number: int, /) -> None: ...

    def terminate(self) -> None: ...


class Part:
    """A supervised process with its history. It leads its own session, so that Ctrl-C reaches only the supervisor."""

    def __init__(self, role: str, name: str, launch: Callable[[], Process], *, grace: float = GRACE) -> None:
        self.role = role
        self.name = name
        self.restarts = 0
        self.process: Process | None = None
        self.exit_code: int | None = None
        self.problem = ""  # why it cannot be started
        self._grace = grace
        self._kill_at = float("inf")
        self._groups: dict[int, float] = {}  # remaining process groups of earlier runs -> time to kill them
        self._successor: Process | None = None  # a process with newer code, which takes over once it serves
        self._retired: dict[Process, float] = {}  # processes that finish their jobs beside the present one -> time to kill them
        self._launch = launch
        self._identity: Identity | None = None
        self._started_at = 0.0
        self._due_at = 0.0
        self._pause = FIRST_PAUSE

    def start(self) -> None:
        """Launch the process; `look` retries after a transient error. Raises OSError for other errors."""
        try:
            self._start()
        except OSError as error:
            if error.errno not in PASSING:
                raise
            self._postpone(error)

    def _start(self) -> None:
        self._use(self._launch())

    def _use(self, process: Process) -> None:
        self.process = process
        self._started_at = time.monotonic()
        self._identity = identify(self.process.pid)
        self._kill_at = float("inf")
        self.problem = ""

    def _postpone(self, error: Exception) -> None:
        self.problem = str(error)
        self._wait_a_little()

    @property
    def running(self) -> bool:
        """True if the process is alive; reaps it otherwise."""
        return self.process is not None and self.process.poll() is None

    @property
    def is_over(self) -> bool:
        """True if no process of this part is alive, including those that a reload replaces."""
        return not any(each.poll() is None for each in self.processes)

    @property
    def processes(self) -> list[Process]:
        """The present process, and those that a reload replaces or starts."""
        return [each for each in (self.process, self._successor, *self._retired) if each is not None]

    def look(self) -> bool:
        """Detect a death and restart after the pause. True if anything changed.

        An error of the launch goes to `problem`, so that the other processes are not affected.
        """
        self._end_groups()
        self._end_retired()
        if self.running:
            if time.monotonic() > self._kill_at:
                self.kill()  # it ignored the stop request; its death is detected later
            return False
        if self.process is not None:
            self._mourn(self.process)
            return True
        if self._successor is not None:
            self._use(self._successor)
            self._successor = None
            return True
        if time.monotonic() < self._due_at:
            return False
        try:
            self._start()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next try may succeed
            self._postpone(error)
            return True
        self.restarts += 1
        return True

    def begin_renewal(self) -> None:
        """Start a process with newer code beside the present one. Raises OSError."""
        self.abandon_renewal()
        self._successor = self._launch()

    @property
    def is_renewing(self) -> bool:
        """True while the process with the newer code lives, and has not taken over."""
        return self._successor is not None and self._successor.poll() is None

    def complete_renewal(self) -> None:
        """Let the newer process take over; the present one finishes its jobs and ends. Not counted as a death."""
        if self._successor is None:
            return
        before, newer, self._successor = self.process, self._successor, None
        self._use(newer)
        if before is not None:
            self._retire(before)

    def abandon_renewal(self) -> None:
        """End the newer process; the present one goes on."""
        if self._successor is not None:
            self._retire(self._successor)
            self._successor = None

    def _retire(self, process: Process) -> None:
        process.terminate()
        self._retired[process] = time.monotonic() + self._grace

    def reload(self) -> None:
        """Reload the code without a restart, as gunicorn can."""
        if self.process is not None and self.running:
            self.process.send_signal(signal.SIGHUP)

    def ask_to_stop(self) -> None:
        """Request a graceful stop; `look` kills the process group after the grace."""
        self.abandon_renewal()
        if self.process is not None and self.running:
            self.process.terminate()
            self._kill_at = min(self._kill_at, time.monotonic() + self._grace)

    def kill(self) -> None:
        """Kill the process group, and those of processes that a reload replaces."""
        for process in self.processes:
            send_group(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GONE)

    @property
    def record(self) -> PartRecord:
        """The entry for the state file and `./run status`."""
        pid = self.process.pid if self.process and self.running else 0
        started = self._identity.started if self._identity else ""
        return PartRecord(self.role, self.name, pid, started, "running" if pid else "restarting", self.restarts)

    def _mourn(self, process: Process) -> None:
        self.exit_code = process.returncode
        self._end_group(process)
        if time.monotonic() - self._started_at > HEALTHY_AFTER:
            self._pause = FIRST_PAUSE
        self.process = None
        self._wait_a_little()

    def _end_group(self, process: Process) -> None:
        # A killed dramatiq master leaves its worker running beside the new one: let it finish and stop.
        send_group(process.pid, signal.SIGTERM)
        self._groups[process.pid] = time.monotonic() + self._grace

    def _end_retired(self) -> None:
        for process, kill_at in list(self._retired.items()):
            if process.poll() is not None:
                del self._retired[process]
                self._end_group(process)
            elif time.monotonic() > kill_at:
                send_group(process.pid, signal.SIGKILL)

    def _wait_a_little(self) -> None:
        self._due_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _end_groups(self) -> None:
        for group, kill_at in list(self._groups.items()):
            try:
                os.killpg(group, 0)
                if time.monotonic() < kill_at:
                    continue
                os.killpg(group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # the group has ended
            del self._groups[group]


def ending(exit_code: int | None) -> str:
    """Describe an exit code."""
    if exit_code is None:
        return "not started"
    if exit_code < 0:
        return f"killed by signal {-exit_code} ({signal.Signals(-exit_code).name})"
    return f"exit code {exit_code}"
