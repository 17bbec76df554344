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
        self.kill()

    def kill(self) -> None:
        """Kill all of the group."""
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
    return sum(sum(int(field) for field in fields[11:15]) / _TICK for fields in _tree(root).values())


def context_switches(root: int) -> int:
    """Context switches of all threads of a process and its descendants (Linux)."""
    count = 0
    for pid in _tree(root):
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            with suppress(OSError):  # the thread has just ended
                count += sum(int(line.split()[1]) for line in status.read_text().splitlines() if "ctxt_switches" in line)
    return count


def _tree(root: int) -> dict[int, list[str]]:
    """Return the fields of /proc/PID/stat behind the name, for a process and all its descendants."""
    found: dict[int, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has just ended; its parent accounts for it
                found[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
    tree, grown = {root}, True
    while grown:
        children = {pid for pid, fields in found.items() if int(fields[1]) in tree} - tree
        grown = bool(children)
        tree |= children
    return {pid: found[pid] for pid in tree if pid in found}
