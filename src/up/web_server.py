"""The gunicorn worker of the web front end: waitress reads requests and writes answers without a thread, the views run in threads.

A client that is slow to send or to read costs a socket. Threads belong to complete requests, so that 200 half-sent ones stop no other.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from .. import ip_networks
from ..settings import get_settings

#: seconds that a connection may take to send the head of a request, from its first byte
HEAD_S = 10.0
#: seconds that a body, or the reading of an answer, may take besides its length at LEAST_RATE
PATIENCE_S = 30.0
#: bytes a second: a slower client is cut off
LEAST_RATE = 10_000
#: seconds between two looks for overdue connections
CHECK_EVERY_S = 1.0
#: seconds that a stopping server keeps idle connections, for requests that are on their way
LINGER_S = 2.0
#: connections of one address that may wait for their client; one more ends the oldest. Trusted proxies have no limit
MOST_WAITING = 128
#: connections of one web process; one more ends the oldest that waits for its client
MOST_CONNECTIONS = 600
#: bytes of incomplete bodies that one web process keeps, in files of the largest request
MOST_BODIES = 4
#: bytes of a request's head
LONGEST_HEAD = 64 * 1024
#: bytes that a request has beside its files
BESIDE = 1024 * 1024


class Connection(HTTPChannel):  # type: ignore[misc]
    """A client's connection, with deadlines for what the client has to do."""

    begun = 0.0  # when the client began to send its request
    unread_since = 0.0  # when it stopped to take all that it was sent; 0: it has taken all
    unread = 0  # bytes that it had not taken then

    def __init__(self, server: Server, *args: Any, **named: Any) -> None:
        super().__init__(server, *args, **named)
        server.make_room(self)

    @property
    def is_waiting(self) -> bool:
        """True if no view works for it: it is idle, or its client is to send or to read."""
        return not self.requests

    @property
    def waits_since(self) -> float:
        """When it began to wait; a byte now and then does not make it younger."""
        return float(self.begun if self.request is not None else self.last_activity)

    def received(self, data: bytes) -> bool:
        """Take what the client has sent; note when a request begins."""
        if self.request is None:
            self.begun = time.time()
        return bool(super().received(data))

    def is_overdue(self, now: float) -> bool:
        """True if the client has taken too long to send its request, or to read its answer."""
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
    """A listening socket and the connections it has accepted."""

    channel_class = Connection

    def __init__(self, *args: Any, **named: Any) -> None:
        self._to_end: list[Connection] = []
        super().__init__(*args, **named)

    def make_room(self, newcomer: Connection) -> None:
        """End the oldest connection that waits for its client, if this address or all together have too many."""
        if len(self.active_channels) <= MOST_WAITING:
            return
        waiting = [each for each in self.active_channels.values() if each.is_waiting and each is not newcomer]
        siblings = [each for each in waiting if each.addr[0] == newcomer.addr[0]]
        if len(siblings) >= MOST_WAITING and not ip_networks.is_among(newcomer.addr[0], get_settings().proxy_addresses):
            self._to_end.append(min(siblings, key=lambda each: each.waits_since))
        elif len(self.active_channels) > MOST_CONNECTIONS and waiting:
            self._to_end.append(min(waiting, key=lambda each: each.waits_since))

    def maintenance(self, now: float) -> None:
        """Choose the connections whose clients have taken too long, and the largest body while all together are too large."""
        self._to_end += [each for each in self.active_channels.values() if each.is_overdue(now)]
        bodies = {each: each.request.body_bytes_received for each in self.active_channels.values() if each.request is not None}
        if sum(bodies.values()) > MOST_BODIES * self.adj.max_request_body_size:
            self._to_end.append(max(bodies, key=lambda each: bodies[each]))

    def end_chosen(self) -> None:
        """End them, between two turns of the loop: the number of a closed socket may be that of the next one.

        Waitress's own `will_close` waits until the client reads.
        """
        for each in self._to_end:
            if each.connected:
                each.handle_close()
        self._to_end.clear()


class Sockets:
    """The listening sockets of one web process, and all it serves on them."""

    def __init__(self, application: Any, sockets: list[socket.socket], *, threads: int, keepalive: float) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a request that waits for a thread is no event
        options = Adjustments(
            sockets=sockets,
            threads=threads,
            channel_timeout=keepalive,
            cleanup_interval=CHECK_EVERY_S,
            connection_limit=2 * MOST_CONNECTIONS,
            max_request_header_size=LONGEST_HEAD,
            max_request_body_size=get_settings().max_upload_bytes + get_settings().max_message_bytes + BESIDE,
            asyncore_use_poll=True,
            ident=None,
        )
        self._views = ThreadedTaskDispatcher()
        self._views.set_thread_count(threads)
        self._map: dict[int, Any] = {}
        self._servers = [
            Server(application, self._map, True, each, dispatcher=self._views, adj=options, bind_socket=False, sockinfo=_described(each))
            for each in sockets
        ]

    @property
    def connections(self) -> list[Connection]:
        """All that are open."""
        return [each for server in self._servers for each in server.active_channels.values()]

    def serve(self, *, at_most_s: float = 1.0) -> None:
        """Wait for something to read or to write, and do it."""
        wasyncore.loop(timeout=at_most_s, map=self._map, use_poll=True, count=1)
        for server in self._servers:
            server.end_chosen()

    def accept_no_more(self) -> None:
        """Leave new connections to other processes."""
        for server in self._servers:
            server.accepting = False

    def close_idle(self) -> None:
        """End the connections that have been idle for a while; a request may be on its way on the others."""
        for each in self.connections:
            if each.is_waiting and not each.total_outbufs_len and time.time() - each.last_activity > LINGER_S:
                each.will_close = True

    def close(self) -> None:
        """End all connections."""
        self._views.set_thread_count(0)
        wasyncore.close_all(self._map)


class FrontEnd(Worker):  # type: ignore[misc]
    """One web process."""

    def run(self) -> None:
        """Serve until gunicorn asks to stop; then answer what has been asked, and what is on its way."""
        sockets = Sockets(self.wsgi, [each.sock for each in self.sockets], threads=self.cfg.threads, keepalive=self.cfg.keepalive)
        while self.alive:
            self.notify()
            sockets.serve()
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
