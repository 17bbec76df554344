"""Processes that are not our children: is this pid still the one we started, which ones carry our mark, how do they end?

A pid alone is never trusted: it is compared with the start time the kernel keeps for it, so that a pid that was given to another
program meanwhile is left alone.
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
#: every process of a data folder carries this variable with the folder's path; `./run down` finds it by that
MARK = "CALLBOARD_UP_FOLDER"


@dataclass(frozen=True)
class Identity:
    """A process for as long as it lives: its pid and when the kernel started it, in clock ticks of one boot."""

    pid: int
    started: str


def identify(pid: int) -> Identity | None:
    """The identity of a living process, None when there is none (or only its unread exit code)."""
    fields = _stat(pid)
    if fields is None or fields[0] in {"Z", "X"}:
        return None
    return Identity(pid, f"{_boot()}:{fields[19]}")


def is_alive(identity: Identity) -> bool:
    """Whether exactly this process still lives."""
    return identify(identity.pid) == identity


def marked(folder: Path) -> list[Identity]:
    """The living processes started for this data folder, except the caller and its ancestors."""
    mark = f"{MARK}={folder}".encode()
    own = _ancestors(os.getpid())
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) in own:
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # gone meanwhile, or another user's
            continue
        identity = identify(int(entry.name)) if mark in environment else None
        if identity is not None:
            found.append(identity)
    return found


def send(identity: Identity, how: signal.Signals) -> None:
    """Signal exactly this process; one that is gone needs nothing."""
    if is_alive(identity):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(identity.pid, how)


def send_group(leader: int, how: signal.Signals) -> None:
    """Signal what is left of the process group that a part of ours led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, how)


def end(identities: Iterable[Identity], timeout: float) -> None:
    """Ask processes to end, wait up to `timeout` seconds, then kill what is left."""
    rest = list(identities)
    for identity in rest:
        send(identity, signal.SIGTERM)
    rest = wait_gone(rest, timeout)
    for identity in rest:
        send(identity, signal.SIGKILL)
    wait_gone(rest, 5.0)


def wait_gone(identities: Iterable[Identity], timeout: float) -> list[Identity]:
    """Wait until these have ended; return those that have not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    rest = [identity for identity in identities if is_alive(identity)]
    while rest and time.monotonic() < deadline:
        time.sleep(0.05)  # the kernel tells only a parent; all others have to look
        rest = [identity for identity in rest if is_alive(identity)]
    return rest


def command_line(pid: int) -> str:
    """What a process was started as, for a message to a person."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat behind the program's name, which may hold any character."""
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
