"""Process groups with an end, and the CPU seconds of process trees."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_TICK = os.sysconf("SC_CLK_TCK")


class Group:
    """A command in a process group of its own; the group ends with the `with` block."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, **how: Any) -> None:
        self._log = log
        with open(log, "ab") as file:
            self.process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **how,
            )

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Raise with the end of the log if the command has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"it ended with exit code {self.process.returncode}:\n{self._log.read_text(errors='replace')[-3000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM, timeout: float = 20.0) -> None:
        """Ask it to end, then kill what is left of the group."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


def run(command: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout: float) -> str:
    """Run a command in a group of its own to its end and return its stdout."""
    process = subprocess.Popen(
        command,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, problems = process.communicate(timeout=timeout)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        raise
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}:\n{problems[-3000:]}")
    return out


def cpu_seconds(root: int) -> float:
    """User and system seconds of a process and all its descendants, those that have ended included (Linux)."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended; its parent accounts for it
        pid = int(entry.name)
        parents[pid] = int(fields[1])
        seconds[pid] = sum(int(field) for field in fields[11:15]) / _TICK
    tree, grown = {root}, True
    while grown:
        children = {pid for pid, parent in parents.items() if parent in tree} - tree
        grown = bool(children)
        tree |= children
    return sum(seconds.get(pid, 0.0) for pid in tree)
