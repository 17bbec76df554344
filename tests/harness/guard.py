"""Guard: end the services of a run when its first pytest process has ended, for whatever reason.

    python -m tests.harness.guard FOLDER

Reads standard input until it closes; FOLDER/ends names process groups and folders.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Wait for the end of the run, then kill the process groups and delete the folders."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    folder = Path(sys.argv[1])
    sys.stdin.buffer.read()
    ends = folder / "ends"
    for line in ends.read_text().splitlines() if ends.exists() else ():
        pid, _, own = line.partition(" ")
        with suppress(ProcessLookupError):
            os.killpg(int(pid), signal.SIGKILL)
        if own:
            shutil.rmtree(own, ignore_errors=True)
    for comm in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # epmd daemonizes itself; it has the node's folder in its environment
            if str(folder).encode() in comm.read_bytes() and (comm.parent / "comm").read_text().strip() == "epmd":
                os.kill(int(comm.parent.name), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
