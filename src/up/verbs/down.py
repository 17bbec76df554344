"""`./run down`: request the supervisor to drain and stop; stop unsupervised processes directly."""

from __future__ import annotations

import signal
from collections.abc import Callable

from ..data import process_identity
from ..data.data_folder import Folder, without_processes
from ..parts import leftovers


def stop(folder: Folder, *, shutdown_timeout: float, report: Callable[[str], None]) -> bool:
    """Stop all processes of this data folder; False: none was running."""
    state = folder.read_state()
    found = False
    if state.supervisor is not None and state.supervised:
        found = True
        report("Stopping: workers finish their current jobs")
        supervisor = state.supervisor.identity
        process_identity.send(supervisor, signal.SIGTERM)
        longest = shutdown_timeout + leftovers.MARGIN + leftovers.SHORT + leftovers.BROKER + leftovers.SHORT
        if process_identity.wait_gone([supervisor], longest):
            process_identity.send(supervisor, signal.SIGKILL)
            process_identity.wait_gone([supervisor], leftovers.SHORT)
        state = folder.read_state()
    left = leftovers.end(folder, state, shutdown_timeout=shutdown_timeout, report=report)
    if left:
        folder.write_state(without_processes(state, "stopped"))
    return found or left > 0
