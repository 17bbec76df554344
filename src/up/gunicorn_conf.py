"""Gunicorn configuration of the web front end. Gunicorn reads the names of this module."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
from typing import Any

from ..importing import collect_rarely
from ..settings import get_settings
from ..telemetry import tracing
from . import web_server
from .parts import warm

_settings = get_settings()
_handed_over = os.environ.get("CALLBOARD_WEB_FD")

#: `./run up` binds the port and passes the socket: the port stays ours while gunicorn restarts
bind = f"fd://{_handed_over}" if _handed_over else f"{_settings.host}:{_settings.port}"
#: waitress worker: slow clients hold no thread
worker_class = f"{web_server.__name__}.FrontEnd"
workers = 2
#: a live page holds a thread while it is open
threads = 80
#: seconds to wait for live pages at shutdown; browsers reconnect by themselves
graceful_timeout = 5
timeout = 60
keepalive = 5
#: folder of the workers' heartbeat files: in memory if possible, because a disk may stall
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
#: in a fork of the preloaded parent all processes share one application; elsewhere a reload (SIGHUP) must read the files again
preload_app = warm.is_forked() and not tracing.is_wanted()  # the exporter of spans has a thread, which a fork would lose
proc_name = "callboard-web"
#: else gunicorn creates a control socket in the home folder
control_socket_disable = True

# A request that holds SQLite's write lock needs the GIL at each statement, and all other writers wait for it.
# So switch threads ten times as often as the default 5 ms.
sys.setswitchinterval(0.0005)

#: TCP user timeout in milliseconds: by default the system waits a quarter of an hour for a vanished client
UNANSWERED_MS = 30_000


def when_ready(server: Any) -> None:
    """Set the TCP user timeout, so that connections of vanished clients end. Accepted sockets inherit it (Linux)."""
    for listener in server.LISTENERS:
        if hasattr(socket, "TCP_USER_TIMEOUT") and listener.sock.family != socket.AF_UNIX:
            listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)


def pre_fork(server: Any, worker: Any) -> None:
    """Refuse connections until the first worker is ready: a load balancer then picks another host and waits for no imports."""
    gc.freeze()  # a collection would copy the memory that the worker shares
    if worker.age == 1:
        for listener in server.LISTENERS:
            with contextlib.suppress(OSError):  # outside Linux the socket accepts already
                address = listener.sock.getsockname()
                listener.sock.shutdown(socket.SHUT_RD)
                with contextlib.suppress(OSError):  # still bound, unless the system chose the port
                    listener.sock.bind(address)
                listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # other programs cannot bind it meanwhile


def post_worker_init(worker: Any) -> None:
    """Start to accept connections: this worker has loaded the application. All workers share the sockets."""
    collect_rarely()
    for listener in worker.sockets:
        if listener.sock.family != socket.AF_UNIX:  # connections of an earlier run in TIME_WAIT must not block the port
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.sock.listen(worker.cfg.backlog)
