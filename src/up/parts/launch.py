"""Launch of a process: command, environment, log file."""

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
from types import MappingProxyType

from ... import COMMAND
from ...broker.isolate import process_tree
from ...settings import Settings
from ..data import ports
from ..data.data_folder import Folder
from ..data.process_identity import command_line
from ..errors import UpError
from ..locations import PACKAGE, ROOT
from .part import Process
from .preloaded import Preloaded

#: environment variables of inherited descriptors: listening sockets (web front end, mailbox), the pipe of the scheduler's pulse
WEB_FD, MAILBOX_FD, PULSE_FD = "CALLBOARD_WEB_FD", "CALLBOARD_MAILBOX_FD", "CALLBOARD_PULSE_FD"
#: environment variable of the monotonic time at which the command was entered
BEGUN_AT = "CALLBOARD_BEGUN_AT"


def process(
    folder: Folder,
    role: str,
    name: str,
    environment: Mapping[str, str],
    *,
    listeners: Mapping[str, int] = MappingProxyType({}),
    preloaded: Preloaded | None = None,
) -> Process:
    """Start `./run ROLE` in a new session with its own log file, as a fork of `preloaded` if there is one.

    `listeners`: descriptors that it inherits, by the environment variable that names them.
    """
    folder.logs.mkdir(mode=0o700, parents=True, exist_ok=True)  # a deleted folder must not stop the other processes
    with open(folder.logs / f"{name}.log", "ab") as log:
        if preloaded is not None:
            return preloaded.fork(role, name, environment, log=log.fileno(), listeners=listeners)
        named = {variable: str(descriptor) for variable, descriptor in listeners.items()}
        return subprocess.Popen(
            [sys.executable, "-m", PACKAGE, role],
            cwd=ROOT,
            env={**os.environ, **environment, **named},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(listeners.values()),
            preexec_fn=with_supervisor(),
        )


def with_supervisor(how: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """Return the hook that sends a new process a signal if this one is killed; else it would run on as an unsupervised orphan."""
    return partial(process_tree.die_with_parent, os.getpid(), how) if sys.platform == "linux" else None


def listen(settings: Settings, folder: Folder, *, exact: bool) -> socket.socket:
    """Bind the web port: the requested one, or the first free one from last time's port upwards."""
    return listen_on(settings.host, settings.port if exact else folder.remembered_ports().get("web", settings.port), exact=exact)


def listen_on(host: str, preferred: int, *, exact: bool) -> socket.socket:
    """Bind a port now: a port that was only checked could be taken before the process opens it.

    The process listens on it once it is ready; until then connections are refused.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    candidates = [preferred] if exact else [*range(preferred, min(preferred + 200, 65536)), 0]
    problem = ""
    for port in candidates:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # with it, others could bind the port until we listen
            return listener
        except OSError as error:
            listener.close()
            problem = error.strerror or str(error)
    raise UpError(_cannot_listen(host, preferred, problem))


def shared_memory_problem() -> str | None:
    """Check that processes can share memory, as a dramatiq worker and its master do; return None or the problem."""
    try:
        multiprocessing.get_context("fork").Lock()
        if os.path.isdir("/dev/shm"):  # Linux only
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
        return f"Port {port} cannot be opened: ports below 1024 need administrator rights.\nUse another one:  {COMMAND} up --port {port + 8000}"
    free = next((candidate for candidate in range(port + 1, 65536) if ports.is_free(candidate)), 0)
    if "use" in problem.lower():
        return f"Port {port} on {host} is in use{who}.\nUse another one:  {COMMAND} up --port {free}"
    return f"{host}:{port} cannot be opened: {problem}.\nUse an address of this machine:  CALLBOARD_HOST=127.0.0.1 {COMMAND} up"
