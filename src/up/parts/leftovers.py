"""End what still runs in a data folder after a kill -9 of its supervisor: its parts finish what they do, and one of them may hang."""

from __future__ import annotations

from collections.abc import Callable

from ..data import process_identity
from ..data.data_folder import Folder, State

#: seconds beyond `shutdown_timeout` that a draining worker gets before it is killed
MARGIN = 12.0
#: seconds for the parts that have nothing to drain
SHORT = 10.0
#: seconds for RabbitMQ to write its files
BROKER = 30.0


def find(folder: Folder, state: State) -> list[process_identity.Identity]:
    """Every living process of this folder: by the state file and by the mark in its environment."""
    known = {part.identity for part in state.alive}
    return sorted(known | set(process_identity.marked(folder.path)), key=lambda identity: identity.pid)


def end(folder: Folder, state: State, *, shutdown_timeout: float, report: Callable[[str], None]) -> int:
    """Drain the workers, then end web and scheduler, then the broker, then whatever else carries the mark; return how many there were."""
    count = len(find(folder, state))
    if not count:
        return 0
    report(f"Stopping {count} processes that an earlier ./run up left behind in {folder.path}")
    roles = {"worker": shutdown_timeout + MARGIN, "web": SHORT, "scheduler": SHORT, "mailbox": SHORT, "broker": BROKER}
    for role, timeout in roles.items():
        process_identity.end([part.identity for part in state.alive if part.role == role], timeout)
    process_identity.end(process_identity.marked(folder.path), SHORT)
    return count
