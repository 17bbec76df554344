"""Leftovers: stop the processes that survive a kill -9 of their supervisor."""

from __future__ import annotations

from collections.abc import Callable

from ... import COMMAND
from ...formats.quantities import counted
from ..data import process_identity
from ..data.data_folder import Folder, State

#: seconds beyond `shutdown_timeout` before a draining worker is killed
MARGIN = 12.0
#: grace in seconds for processes without jobs
SHORT = 10.0
#: grace in seconds for RabbitMQ to write its files
BROKER = 30.0


def find(folder: Folder, state: State) -> list[process_identity.Identity]:
    """Live processes of this folder, found by the state file and by the mark in their environment."""
    known = {part.identity for part in state.alive}
    return sorted(known | set(process_identity.marked(folder.path)), key=lambda identity: identity.pid)


def end(folder: Folder, state: State, *, shutdown_timeout: float, report: Callable[[str], None]) -> int:
    """Drain the workers, stop web and scheduler, then the broker, then all other marked processes; return their number."""
    count = len(find(folder, state))
    if not count:
        return 0
    report(f"Stopping {counted(count, 'process', 'processes')} that an earlier {COMMAND} up left behind in {folder.path}")
    roles = {"worker": shutdown_timeout + MARGIN, "web": SHORT, "scheduler": SHORT, "mailbox": SHORT, "broker": BROKER}
    for role, timeout in roles.items():
        process_identity.end([part.identity for part in state.alive if part.role == role], timeout)
    process_identity.end(process_identity.marked(folder.path), SHORT)
    return count
