"""Gunicorn worker of the web front end: waitress does the socket I/O in one event loop, views run in threads.

A slow client costs only a socket. Threads serve complete requests only, so that 200 half-sent ones block no other.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher
from waitress.utilities import BadRequest

from ..configuration import ip_networks
from ..logs import get_logger
from ..settings import get_settings

log = get_logger(__name__)

#: timeout of a request head in seconds, from its first byte
HEAD_S = 10.0
#: base timeout in seconds of a body or a response, plus its length at LEAST_RATE
PATIENCE_S = 30.0
#: minimum bytes per second; slower clients are disconnected
LEAST_RATE = 10_000
#: seconds between checks for overdue connections
CHECK_EVERY_S = 1.0
#: seconds that a stopping server keeps idle connections open, for requests in flight
LINGER_S = 2.0
#: maximum waiting connections per address; a further one closes the oldest. Trusted proxies are exempt
MOST_WAITING = 128
#: maximum connections per web process; a further one closes the oldest waiting one
MOST_CONNECTIONS = 600
#: maximum size of all incomplete bodies of one web process, in units of the largest request
MOST_BODIES = 4
#: maximum bytes of a request head
LONGEST_HEAD = 64 * 1024
#: maximum bytes of a chunk's size line, or of the trailer after the last chunk
LONGEST_CHUNK_LINE = 4 * 1024
#: bytes of a request beyond its files
BESIDE = 1024 * 1024


class Request(HTTPRequestParser):  # type: ignore[misc]
    """A request as it arrives."""

    completed = False

    def received(self, data: bytes) -> int:
        """Parse data; reject endless size lines and trailers, which waitress would copy whole with every packet."""
        consumed = int(super().received(data))
        if self.chunked and not self.completed and len(self.body_rcv.control_line) + len(self.body_rcv.trailer) > LONGEST_CHUNK_LINE:
            self.error = BadRequest("Chunk size or trailer too long")
            self.completed = True
        return consumed


class Connection(HTTPChannel):  # type: ignore[misc]
    """A client connection with deadlines for sending and reading."""

    parser_class = Request
    begun = 0.0  # start of the current request
    unread_since = 0.0  # since when response data is unread; 0: all read
    unread = 0  # unread bytes at that time

    def __init__(self, server: Server, *args: Any, **named: Any) -> None:
        super().__init__(server, *args, **named)
        server.make_room(self)

    @property
    def is_waiting(self) -> bool:
        """True if no view is running for it: it is idle, or waits for its client."""
        return not self.requests

    @property
    def waits_since(self) -> float:
        """Start of the wait; a trickle of bytes does not reset it."""
        return float(self.begun if self.request is not None else self.last_activity)

    def received(self, data: bytes) -> bool:
        """Receive data; record the start of a request."""
        if self.request is None:
            self.begun = time.time()
        return bool(super().received(data))

    def is_overdue(self, now: float) -> bool:
        """True if the client exceeded a deadline for its request or its response."""
        if not self.total_outbufs_len:
            self.unread_since = 0.0
        elif not self.unread_since:
            self.unread_since, self.unread = now, self.total_outbufs_len
        if self.unread_since:
            return now - self.unread_since > PATIENCE_S + self.unread / LEAST_RATE
        if self.requests:
            return False
        if self.request is None:
            return bool(now - self.last_activity > self.adj.channel_timeout)
        if not self.request.headers_finished:
            return now - self.begun > HEAD_S
        return bool(now - self.begun > PATIENCE_S + self.request.body_bytes_received / LEAST_RATE)


class Server(TcpWSGIServer):  # type: ignore[misc]
    """A listening socket with its accepted connections."""

    channel_class = Connection

    def __init__(self, *args: Any, **named: Any) -> None:
        self._to_end: list[Connection] = []
        super().__init__(*args, **named)

    def make_room(self, newcomer: Connection) -> None:
        """Close the oldest waiting connection if this address or the process has too many."""
        if len(self.active_channels) <= MOST_WAITING:
            return
        waiting = [each for each in self.active_channels.values() if each.is_waiting and each is not newcomer]
        siblings = [each for each in waiting if each.addr[0] == newcomer.addr[0]]
        if len(siblings) >= MOST_WAITING and not ip_networks.is_among(newcomer.addr[0], get_settings().proxy_addresses):
            self._to_end.append(min(siblings, key=lambda each: each.waits_since))
        elif len(self.active_channels) > MOST_CONNECTIONS and waiting:
            self._to_end.append(min(waiting, key=lambda each: each.waits_since))

    def maintenance(self, now: float) -> None:
        """Select overdue connections, and the largest bodies while their total exceeds the limit."""
        self._to_end += [each for each in self.active_channels.values() if each.is_overdue(now)]
        bodies = {each: each.request.body_bytes_received for each in self.active_channels.values() if each.request is not None}
        if sum(bodies.values()) > MOST_BODIES * self.adj.max_request_body_size:
            self._to_end.append(max(bodies, key=lambda each: bodies[each]))

    def end_chosen(self) -> None:
        """Close the selected connections between two loop turns: a closed descriptor's number may be reused within one.

        Waitress's own `will_close` waits until the client reads.
        """
        for each in self._to_end:
            if each.connected:
                each.handle_close()
        self._to_end.clear()


class Views(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Threads that run views. One is started when all are busy, so that an idle process has few."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._growing = threading.Lock()

    def add_task(self, task: Any) -> None:
        """Queue a request, and start the threads that it lacks."""
        super().add_task(task)
        with self._growing:  # a pipelined request comes from the thread of the one before
            with self.lock:
                idle = len(self.threads) - self.stop_count - self.active_count
                wanted = min(self._most, len(self.threads) + max(0, len(self.queue) - idle))
            self.set_thread_count(wanted)

    def stop(self) -> None:
        """Let all threads end after their requests."""
        with self._growing:
            self._most = 0
            self.set_thread_count(0)


class Sockets:
    """The listening sockets of one web process with all their connections."""

    def __init__(self, application: Any, sockets: list[socket.socket], *, threads: int, keepalive: float) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # queued requests are normal
        options = Adjustments(
            sockets=sockets,
            threads=threads,
            channel_timeout=keepalive,
            cleanup_interval=CHECK_EVERY_S,
            connection_limit=2 * MOST_CONNECTIONS,
            max_request_header_size=LONGEST_HEAD,
            max_request_body_size=get_settings().max_upload_bytes + get_settings().max_message_bytes + BESIDE,
            clear_untrusted_proxy_headers=False,  # the application itself takes them from CALLBOARD_PROXY_ADDRESSES only
            asyncore_use_poll=True,
            ident=None,
        )
        self._views = Views(threads)
        self._map: dict[int, Any] = {}
        self._servers = [
            Server(application, self._map, True, each, dispatcher=self._views, adj=options, bind_socket=False, sockinfo=_described(each))
            for each in sockets
        ]

    @property
    def connections(self) -> list[Connection]:
        """All open connections."""
        return [each for server in self._servers for each in server.active_channels.values()]

    def serve(self, *, at_most_s: float = 1.0) -> None:
        """Run one turn of the event loop."""
        wasyncore.loop(timeout=at_most_s, map=self._map, use_poll=True, count=1)
        for server in self._servers:
            server.end_chosen()

    def accept_no_more(self) -> None:
        """Stop accepting connections; other processes take them."""
        for server in self._servers:
            server.accepting = False

    def close_idle(self) -> None:
        """Close connections that have been idle for a while; the others may have a request in flight."""
        for each in self.connections:
            if each.is_waiting and not each.total_outbufs_len and time.time() - each.last_activity > LINGER_S:
                each.will_close = True

    def close(self) -> None:
        """Close all connections."""
        self._views.stop()
        wasyncore.close_all(self._map)


class FrontEnd(Worker):  # type: ignore[misc]
    """One web process."""

    def run(self) -> None:
        """Serve until gunicorn requests a stop, then finish the pending requests and those in flight.

        A process that has lost a thread of its publisher stops by itself, and gunicorn starts another: until then, each of
        its jobs would wait two seconds for a relay.
        """
        # Imported late: gunicorn's main process, which imports this module too, does without the application.
        from ..broker.core.supervision import VitalThreads
        from ..broker.publish.publisher import get_publisher

        vital, checked_at = VitalThreads(lambda: get_publisher().threads()), time.monotonic()
        sockets = Sockets(self.wsgi, [each.sock for each in self.sockets], threads=self.cfg.threads, keepalive=self.cfg.keepalive)
        while self.alive:
            self.notify()
            sockets.serve()
            elapsed_s, checked_at = time.monotonic() - checked_at, time.monotonic()
            if lost := vital.check(elapsed_s):
                thread, problem = lost
                log.critical("web_thread_lost", thread=thread, detail=f"it {problem}", cure="gunicorn starts a fresh process")
                break
            if self.ppid != os.getppid():
                self.log.info("Parent changed, shutting down: %s", self)
                return
        sockets.accept_no_more()
        begun = time.monotonic()
        while sockets.connections and time.monotonic() < begun + self.cfg.graceful_timeout:
            self.notify()
            sockets.close_idle()
            sockets.serve(at_most_s=0.1)
        sockets.close()


def _described(listener: socket.socket) -> tuple[Any, ...]:
    return listener.family, listener.type, listener.proto, listener.getsockname()
