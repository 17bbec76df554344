"""One supervised process: started, watched, and started again by itself, more slowly the more often it dies."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable

from src.up.folder import PartRecord
from src.up.processes import Identity, identify, send_group

#: seconds before a dead part is started again, doubled with each death up to the longest
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
#: seconds of life after which a part counts as healthy again
HEALTHY_AFTER = 5.0


class Part:
    """A role's process and its history. Each leads a session of its own, so a Ctrl-C in the terminal reaches only the supervisor."""

    def __init__(self, role: str, name: str, launch: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.role = role
        self.name = name
        self.restarts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.exit_code: int | None = None
        self._launch = launch
        self._identity: Identity | None = None
        self._started_at = 0.0
        self._due_at = 0.0
        self._pause = FIRST_PAUSE
        self.renewing = False

    def start(self) -> None:
        """Launch the process."""
        self.process = self._launch()
        self._started_at = time.monotonic()
        self._identity = identify(self.process.pid)

    @property
    def running(self) -> bool:
        """Whether its process lives; reaps it when it does not."""
        return self.process is not None and self.process.poll() is None

    def look(self) -> bool:
        """Notice a death and, when its pause is over, start again. True when something changed."""
        if self.running:
            return False
        if self.process is not None:
            self._mourn(self.process)
            return True
        if time.monotonic() < self._due_at:
            return False
        self.restarts += not self.renewing
        self.renewing = False
        self.start()
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
        """Ask the process to finish what it does and end."""
        if self.process is not None and self.running:
            self.process.terminate()

    def kill(self) -> None:
        """End the process and all of its group at once."""
        if self.process is not None:
            send_group(self.process.pid, signal.SIGKILL)
            self.process.wait()

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
        healthy = self.renewing or time.monotonic() - self._started_at > HEALTHY_AFTER
        self._pause = FIRST_PAUSE if healthy else self._pause
        self._due_at = time.monotonic() + (0 if self.renewing else self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self.process = None


def ending(exit_code: int | None) -> str:
    """An exit code in words."""
    if exit_code is None:
        return "not started"
    if exit_code < 0:
        return f"killed by signal {-exit_code} ({signal.Signals(-exit_code).name})"
    return f"exit code {exit_code}"
