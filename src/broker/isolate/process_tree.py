"""Process trees: end a process together with everything it has started, even outside its process group or session."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
#: seconds after which a process that does not die (it hangs in the kernel) is left alone
PATIENCE_S = 2.0


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies (child subreaper), so that none escapes from the tree."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Receive this signal when the parent's thread that started this process ends; end at once if the parent is already gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, how, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def kill(root: int) -> None:
    """Kill a child of this process with its whole tree; it is a zombie afterwards, for the caller to reap.

    The root stops first and dies last: while it exists, its orphaned descendants become its children.
    """
    send(root, signal.SIGSTOP)
    deadline = time.monotonic() + PATIENCE_S
    while (rest := living(descendants([root]))) and time.monotonic() < deadline:
        for pid in rest:
            send(pid, signal.SIGKILL)
        time.sleep(0.001)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(root, signal.SIGKILL)  # and whatever its group has gained meanwhile
    send(root, signal.SIGKILL)


def kill_below(root: int, *, but: int | None = None) -> None:
    """Kill everything that the process has started, except one child."""
    for pid in living(descendants([root]) - {but}):
        send(pid, signal.SIGKILL)


def descendants(roots: Iterable[int]) -> set[int]:
    """Return every process below these, at any depth."""
    found: set[int] = set()
    ahead = list(roots)
    while ahead:
        below = [child for child in children(ahead.pop()) if child not in found]
        found.update(below)
        ahead.extend(below)
    return found


def children(pid: int) -> list[int]:
    """Return the children of all threads of a process."""
    found: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:
                found.extend(int(child) for child in file.read().split())
    return found


def living(pids: Iterable[int]) -> set[int]:
    """Return the processes that still run, without zombies."""
    return {pid for pid in pids if state(pid) not in ("Z", "X", "")}


def state(pid: int) -> str:
    """Return the kernel's state code of a process; empty if it does not exist."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
