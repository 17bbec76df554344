"""Process identity for processes that are not our children: verify, find by mark, signal, wait.

A pid alone is never trusted: it is compared with the kernel's start time, so that a reused pid of another program
is never signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
#: environment variable with the folder's path in every process of a data folder; `./run down` finds processes by it
MARK = "CALLBOARD_UP_FOLDER"


@dataclass(frozen=True)
class Identity:
    """A process by pid and kernel start time, in clock ticks since boot."""

    pid: int
    started: str


def identify(pid: int) -> Identity | None:
    """The identity of a live process; None if it has ended (or is a zombie)."""
    fields = _stat(pid)
    if fields is None or fields[0] in {"Z", "X"}:
        return None
    return Identity(pid, f"{_boot()}:{fields[19]}")


def is_alive(identity: Identity) -> bool:
    """True if exactly this process is alive."""
    return identify(identity.pid) == identity


def marked(folder: Path) -> list[Identity]:
    """Live processes of this data folder, except the caller and its ancestors."""
    mark = f"{MARK}={folder}".encode()
    own = _ancestors(os.getpid())
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) in own:
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # process ended, or belongs to another user
            continue
        identity = identify(int(entry.name)) if mark in environment else None
        if identity is not None:
            found.append(identity)
    return found


def send(identity: Identity, how: signal.Signals) -> None:
    """Signal exactly this process; ignores an ended one."""
    if is_alive(identity):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(identity.pid, how)


def send_group(leader: int, how: signal.Signals) -> None:
    """Signal the remaining processes of a part's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, how)


def end(identities: Iterable[Identity], timeout: float) -> None:
    """Terminate processes, wait up to `timeout` seconds, then kill the remaining ones."""
    rest = list(identities)
    for identity in rest:
        send(identity, signal.SIGTERM)
    rest = wait_gone(rest, timeout)
    for identity in rest:
        send(identity, signal.SIGKILL)
    wait_gone(rest, 5.0)


def wait_gone(identities: Iterable[Identity], timeout: float) -> list[Identity]:
    """Wait until these have ended; return those still alive after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    rest = [identity for identity in identities if is_alive(identity)]
    while rest and time.monotonic() < deadline:
        time.sleep(0.05)  # poll: the kernel notifies only the parent of a process
        rest = [identity for identity in rest if is_alive(identity)]
    return rest


def command_line(pid: int) -> str:
    """Command line of a process, for messages."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat after the program name, which may contain any character."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _boot() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return "boot"


def _ancestors(pid: int) -> set[int]:
    line = {pid}
    while pid > 1:
        fields = _stat(pid)
        pid = int(fields[1]) if fields else 0
        line.add(pid)
    return line
