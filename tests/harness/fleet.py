"""Real worker and scheduler commands, restarted automatically when they die, and ways to kill and freeze them."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from tests.harness import fork_server
from tests.harness.commands import SCHEDULER, worker_command
from tests.harness.fork_server import Forked

#: seconds between two checks of the processes, and before a dead one is restarted
LOOK_S, PAUSE_S = 0.05, 0.3


@dataclass
class Part:
    """One command that is kept running."""

    name: str
    command: list[str]
    process: Forked
    starts: int = 1
    dead_since: float | None = None
    former: list[int] = field(default_factory=list)  # process groups of its earlier runs


@dataclass(frozen=True)
class Kill:
    """A kill: the process and the time."""

    pid: int
    at: datetime
    what: str


class Fleet:
    """`workers` commands of `dramatiq src.actors` and a scheduler, supervised. Use as a context."""

    def __init__(
        self, environment: Mapping[str, str], log: Path, *, workers: int = 2, threads: int = 8, scheduler: bool = True, restart: bool = True
    ) -> None:
        self.kills: list[Kill] = []
        self._environment = {**os.environ, **environment}
        self._log = log
        self._restart = restart
        self._commands = {
            f"worker-{number}": worker_command("--skip-logging", "--worker-fork-timeout", "1000", threads=threads)
            for number in range(1, workers + 1)
        }
        if scheduler:
            self._commands["scheduler"] = list(SCHEDULER)
        self.parts: list[Part] = []
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._supervise, name="fleet", daemon=True)

    def __enter__(self) -> Fleet:
        self.parts = [Part(name, command, self._launch(command)) for name, command in self._commands.items()]
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.stop()

    def add(self, name: str, command: list[str], environment: Mapping[str, str] | None = None) -> Part:
        """Keep one more command running."""
        self._environment.update(environment or {})
        part = Part(name, command, self._launch(command))
        with self._lock:
            self.parts.append(part)
        return part

    def stop(self) -> None:
        """End everything that was started here, at once."""
        self._ending.set()
        self._thread.join()
        for part in self.parts:
            for group in (*part.former, part.process.pid):
                _signal_group(group, signal.SIGCONT)
                _signal_group(group, signal.SIGKILL)
            part.process.wait(10)

    def workers(self) -> list[Part]:
        """Return the parts that run jobs."""
        return [part for part in self.parts if part.name.startswith("worker")]

    def worker_pid(self, part: Part) -> int | None:
        """Return the process that runs the jobs: the child of Dramatiq's main process."""
        return next((pid for pid in _children(part.process.pid) if "resource_tracker" not in _command_line(pid)), None)

    def kill_with_watchdog(self, part: Part) -> None:
        """kill -9 the worker process after the watchdog that would report its death: as when a whole host dies."""
        child = self.worker_pid(part)
        assert child is not None
        for pid in [pid for pid in _children(child) if "watchdog" in _command_line(pid)]:
            os.kill(pid, signal.SIGKILL)
        os.kill(child, signal.SIGKILL)

    def kill_a_worker(self, chance: random.Random) -> Kill | None:
        """kill -9 a random worker process; one time in six Dramatiq's main process instead. None: there was none."""
        living = [part for part in self.workers() if part.process.poll() is None]
        chance.shuffle(living)
        for part in living:
            child = self.worker_pid(part)
            if child is None:
                continue
            master = chance.random() < 1 / 6
            pid = part.process.pid if master else child
            kill = Kill(pid, datetime.now(UTC), "main process" if master else "worker process")
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            self.kills.append(kill)
            return kill
        return None

    def ask_to_stop(self, part: Part) -> None:
        """Send SIGTERM, as a deploy does."""
        part.process.send_signal(signal.SIGTERM)

    def _supervise(self) -> None:
        while not self._ending.wait(LOOK_S):
            with self._lock:
                parts = list(self.parts)
            for part in parts:
                if part.process.poll() is None:
                    continue
                if part.dead_since is None:
                    part.dead_since = time.monotonic()
                elif self._restart and time.monotonic() - part.dead_since > PAUSE_S:
                    part.former.append(part.process.pid)
                    part.process = self._launch(part.command)
                    part.starts += 1
                    part.dead_since = None

    def _launch(self, command: list[str]) -> Forked:
        return fork_server.server().start(command, self._environment, out=self._log)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # all of it has ended
        os.killpg(group, number)
