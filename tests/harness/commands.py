"""Commands of a Callboard as tests start them: worker, scheduler, web, mailbox; forked, each with its own log."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from src.broker.isolate import process_tree
from tests.harness import fork_server
from tests.harness.fork_server import Forked
from tests.harness.waiting import eventually

#: seconds until something that usually takes milliseconds must have happened, even on a busy machine
DEADLINE_S = 60.0
WEB = ("gunicorn", "-c", "python:src.up.gunicorn_conf", "src.web:create_app()")
SCHEDULER = ("-m", "src", "scheduler")
MAILBOX = ("-m", "src", "mailbox")


def worker_command(*arguments: str, threads: int = 8, processes: int = 1) -> list[str]:
    """Return the worker command as users type it."""
    return ["dramatiq", "src.actors", "-p", str(processes), "-t", str(threads), *arguments]


class Command:
    """One command in a session and process group of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.command, self.environment, self.log = list(command), dict(environment), log
        self.process: Forked = self._launch()

    def text(self) -> str:
        """Return everything it has printed so far."""
        return self.log.read_text(errors="replace")

    def says(self, *words: str) -> bool:
        """True if one printed line has all these words."""
        return any(all(word in line for word in words) for line in self.text().splitlines())

    def wait_until_it_says(self, *words: str) -> None:
        """Return when one printed line has all these words.

        The main process prints the lines that its worker processes log, so a line can appear after the effects of its event.
        """
        eventually(lambda: self.says(*words), deadline_s=DEADLINE_S, what=f"a line with {words}; see {self.log}")

    def start_again(self) -> None:
        """Launch it again, as a supervisor does after its death."""
        self.process = self._launch()

    def keep_running(self) -> None:
        """Launch it again if it has ended."""
        if self.process.poll() is not None:
            self.start_again()

    def ask_to_stop(self) -> None:
        """Send SIGTERM, as a deploy does."""
        self.process.terminate()

    def stop(self, timeout: float = DEADLINE_S) -> float:
        """Send SIGTERM and wait; kill whatever is left. Return the seconds it took."""
        begun = time.monotonic()
        if self.process.poll() is None:
            self.ask_to_stop()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        took = time.monotonic() - begun
        self.kill()
        return took

    def kill(self) -> None:
        """Kill its process group at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def _launch(self) -> Forked:
        return fork_server.server().start(self.command, self.environment, out=self.log)


class Worker(Command):
    """One `dramatiq src.actors` command."""

    def wait_until_serving(self) -> None:
        """Return when it has a lease and listens."""

        def serves() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"the worker ended:\n{self.text()[-3000:]}")
            return self.says("worker_serves") and self.says("consumer_connected")

        eventually(serves, deadline_s=DEADLINE_S, what=f"the worker serves; see {self.log}")

    def children(self) -> list[int]:
        """Return the processes that run jobs, forked by the main process."""
        named = [pid for pid in process_tree.children(self.process.pid) if Path(f"/proc/{pid}/cmdline").exists()]
        return [pid for pid in named if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]

    @property
    def pid(self) -> int:
        """Return the process that runs the jobs."""
        return self.children()[0]


def is_running(pid: int) -> bool:
    """True if the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
