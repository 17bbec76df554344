"""How each part is started: its command, its environment, its log file."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial

from ...broker.isolate import process_tree
from ...settings import Settings
from ..data import ports
from ..data.data_folder import Folder
from ..data.process_identity import command_line
from ..errors import UpError
from ..locations import PACKAGE, ROOT

#: the inherited listening sockets of the web front end and of the mailbox
WEB_FD, MAILBOX_FD = "CALLBOARD_WEB_FD", "CALLBOARD_MAILBOX_FD"
#: reading of the system's monotonic clock when the person pressed Return
BEGUN_AT = "CALLBOARD_BEGUN_AT"


def process(
    folder: Folder, role: str, name: str, environment: Mapping[str, str], *, pass_fds: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """Start `./run ROLE` in a session of its own, writing to its own log file."""
    folder.logs.mkdir(mode=0o700, parents=True, exist_ok=True)  # it may have been deleted, which must not end the others
    with open(folder.logs / f"{name}.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", PACKAGE, role],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
            preexec_fn=with_supervisor(),
        )


def with_supervisor() -> Callable[[], None] | None:
    """What a new part calls first, so that it stops in good order when this process is killed: it would go on as an orphan that is never restarted."""
    return partial(process_tree.die_with_parent, os.getpid(), signal.SIGTERM) if sys.platform == "linux" else None


def listen(settings: Settings, folder: Folder, *, exact: bool) -> socket.socket:
    """Bind the web port: exactly the asked one, or the first free one from last time's on upwards."""
    return listen_on(settings.host, settings.port if exact else folder.remembered_ports().get("web", settings.port), exact=exact)


def listen_on(host: str, preferred: int, *, exact: bool) -> socket.socket:
    """Bind a port here and now. One that is only looked at could be another program's by the time that a part opens it.

    The part listens on it once it can answer: until then connections are refused.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    candidates = [preferred] if exact else [*range(preferred, min(preferred + 200, 65536)), 0]
    problem = ""
    for port in candidates:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # which would let others bind it until we listen
            return listener
        except OSError as error:
            listener.close()
            problem = error.strerror or str(error)
    raise UpError(_cannot_listen(host, preferred, problem))


def shared_memory_problem() -> str | None:
    """None when processes of this user can share memory, as a dramatiq worker and its master do."""
    try:
        multiprocessing.get_context("spawn").Lock()
        if os.path.isdir("/dev/shm"):  # where Linux keeps it; other systems have none
            tempfile.TemporaryFile(dir="/dev/shm").close()
    except OSError as error:
        return (
            f"Processes cannot share memory here: {error.strerror or error} (/dev/shm).\n"
            "Mount it:  sudo mount -t tmpfs -o mode=1777 tmpfs /dev/shm"
        )
    return None


def _cannot_listen(host: str, port: int, problem: str) -> str:
    holder = ports.holder(port)
    who = f" by process {holder} ({command_line(holder)[:80]})" if holder else ""
    if 0 < port < 1024 and os.geteuid() != 0:
        return f"Port {port} cannot be opened: ports below 1024 need administrator rights.\nUse another one:  ./run up --port {port + 8000}"
    free = next((candidate for candidate in range(port + 1, 65536) if ports.is_free(candidate)), 0)
    if "use" in problem.lower():
        return f"Port {port} on {host} is in use{who}.\nUse another one:  ./run up --port {free}"
    return f"{host}:{port} cannot be opened: {problem}.\nUse an address of this machine:  CALLBOARD_HOST=127.0.0.1 ./run up"
