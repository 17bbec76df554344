"""One supervised process: started, watched, and started again by itself, more slowly the more often it dies or cannot be started."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

from ..data.data_folder import PartRecord
from ..data.process_identity import Identity, identify, send_group

#: seconds before a dead part is started again, doubled with each death up to the longest
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
#: seconds of life after which a part counts as healthy again
HEALTHY_AFTER = 5.0
#: seconds from a request to stop until a part is killed, unless its owner chooses another
GRACE = 42.0
#: seconds for a killed process to be gone; one that hangs in the kernel is not waited for
GONE = 5.0
#: what a system answers that is short of processes, memory or descriptors: a moment later there may be some
PASSING = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


class Part:
    """A role's process and its history. Each leads a session of its own, so a Ctrl-C in the terminal reaches only the supervisor."""

    def __init__(self, role: str, name: str, launch: Callable[[], subprocess.Popen[bytes]], *, grace: float = GRACE) -> None:
        self.role = role
        self.name = name
        self.restarts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None
        self.problem = ""  # why it cannot be started at present
        self._grace = grace
        self._kill_at = float("inf")
        self._groups: dict[int, float] = {}  # what is left of earlier lives: process group -> when it is killed
        self._launch = launch
        self._identity: Identity | None = None
        self._started_at = 0.0
        self._due_at = 0.0
        self._pause = FIRST_PAUSE
        self.renewing = False

    def start(self) -> None:
        """Launch the process; where the system is short of something `look` tries again. Raises OSError for any other refusal."""
        try:
            self._start()
        except OSError as error:
            if error.errno not in PASSING:
                raise
            self._postpone(error)

    def _start(self) -> None:
        self.process = self._launch()
        self._started_at = time.monotonic()
        self._identity = identify(self.process.pid)
        self._kill_at = float("inf")
        self.problem = ""

    def _postpone(self, error: Exception) -> None:
        self.problem = str(error)
        self._wait_a_little()

    @property
    def running(self) -> bool:
        """Whether its process lives; reaps it when it does not."""
        return self.process is not None and self.process.poll() is None

    def look(self) -> bool:
        """Notice a death and, when its pause is over, start again. True when something changed.

        A refusal to start it is in `problem`: the others must not suffer from it.
        """
        self._end_groups()
        if self.running:
            if time.monotonic() > self._kill_at:
                self.kill()  # it was asked to stop, and has not: its death is noticed next
            return False
        if self.process is not None:
            self._mourn(self.process)
            return True
        if time.monotonic() < self._due_at:
            return False
        try:
            self._start()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next try may succeed
            self._postpone(error)
            return True
        self.restarts += not self.renewing
        self.renewing = False
        return True

    def renew(self) -> None:
        """Have it start again with the code that is there now, once it has finished what it does. That is no death."""
        self.renewing = True
        self.ask_to_stop()

    def reload(self) -> None:
        """Have it take the code that is there now while it goes on, as gunicorn can."""
        if self.process is not None and self.running:
            self.process.send_signal(signal.SIGHUP)

    def ask_to_stop(self) -> None:
        """Ask the process to finish what it does and end; `look` kills it with its group when it has not within its grace."""
        if self.process is not None and self.running:
            self.process.terminate()
            self._kill_at = min(self._kill_at, time.monotonic() + self._grace)

    def kill(self) -> None:
        """End the process and all of its group at once."""
        if self.process is not None:
            send_group(self.process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(GONE)

    @property
    def record(self) -> PartRecord:
        """What the state file and `./run status` say about it."""
        pid = self.process.pid if self.process and self.running else 0
        started = self._identity.started if self._identity else ""
        return PartRecord(self.role, self.name, pid, started, "running" if pid else "restarting", self.restarts)

    def _mourn(self, process: subprocess.Popen[bytes]) -> None:
        self.exit_code = process.returncode
        # A killed dramatiq master leaves its worker behind, which would go on beside the new one: let it finish and end.
        send_group(process.pid, signal.SIGTERM)
        self._groups[process.pid] = time.monotonic() + self._grace
        healthy = self.renewing or time.monotonic() - self._started_at > HEALTHY_AFTER
        self._pause = FIRST_PAUSE if healthy else self._pause
        self.process = None
        if self.renewing:
            self._due_at = time.monotonic()
        else:
            self._wait_a_little()

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
                pass  # nothing is left of it
            del self._groups[group]


def ending(exit_code: int | None) -> str:
    """An exit code in words."""
    if exit_code is None:
        return "not started"
    if exit_code < 0:
        return f"killed by signal {-exit_code} ({signal.Signals(-exit_code).name})"
    return f"exit code {exit_code}"
