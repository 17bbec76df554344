"""How gunicorn serves the web front end; gunicorn reads the names of this module. Each is explained in its own settings page."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from typing import Any

from ..settings import get_settings
from . import web_server

_settings = get_settings()
_handed_over = os.environ.get("CALLBOARD_WEB_FD")

#: `./run up` opens the port itself and hands it over: it is ours from the first second, and stays open while gunicorn starts again
bind = f"fd://{_handed_over}" if _handed_over else f"{_settings.host}:{_settings.port}"
#: waitress inside: a slow client holds no thread
worker_class = f"{web_server.__name__}.FrontEnd"
workers = 2
#: a live page holds a thread for as long as it is looked at
threads = 80
#: seconds; a stopping server does not wait longer for live pages, browsers come back by themselves
graceful_timeout = 5
timeout = 60
keepalive = 5
#: files that workers touch to show they live: memory where there is some, a disk may stall
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
proc_name = "callboard-web"
#: gunicorn would put a control socket into the home folder
control_socket_disable = True

# A request that holds SQLite's write lock waits for the interpreter at each statement, and everybody waits for it: hand the
# interpreter over ten times as often as the stock 5 ms.
sys.setswitchinterval(0.0005)

#: milliseconds that a client may leave what it was sent without an answer: the system's own patience with a closed laptop is a quarter of an hour
UNANSWERED_MS = 30_000


def when_ready(server: Any) -> None:
    """Let every connection end whose client has vanished without a word; those that are accepted have it from the listening socket (Linux)."""
    for listener in server.LISTENERS:
        if hasattr(socket, "TCP_USER_TIMEOUT") and listener.sock.family != socket.AF_UNIX:
            listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)


def pre_fork(server: Any, worker: Any) -> None:
    """Refuse connections until the first worker can answer: a balancer then takes another host, instead of waiting for this one's imports."""
    if worker.age == 1:
        for listener in server.LISTENERS:
            with contextlib.suppress(OSError):  # other systems than Linux accept them already
                address = listener.sock.getsockname()
                listener.sock.shutdown(socket.SHUT_RD)
                with contextlib.suppress(OSError):  # it is bound still, unless the system has chosen its port
                    listener.sock.bind(address)
                listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # and other programs cannot bind it meanwhile


def post_worker_init(worker: Any) -> None:
    """Accept connections from now on: this worker has its application. All workers share the sockets."""
    for listener in worker.sockets:
        if listener.sock.family != socket.AF_UNIX:  # connections of an earlier run that still wait for their end must not keep the port
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.sock.listen(worker.cfg.backlog)
