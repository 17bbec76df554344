"""A proxy that can stall: connections stay open, but no data passes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType


class StuckProxy:
    """Use as a context; clients connect to `port`. While `stuck` is set, it discards what they send."""

    def __init__(self, server_port: int) -> None:
        self._server = ("127.0.0.1", server_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.stuck = threading.Event()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> StuckProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def let_through(self) -> None:
        """Forward new connections again; earlier ones stay stalled."""
        self.stuck = threading.Event()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                if self._listener.fileno() < 0:  # the proxy has ended, and closed all others
                    client.close()
                    server.close()
                    return
                for start, end in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(start, end, self.stuck), daemon=True).start()

    @staticmethod
    def _pass_on(start: socket.socket, end: socket.socket, stuck: threading.Event) -> None:
        with suppress(OSError):
            while data := start.recv(65_536):
                if not stuck.is_set():
                    end.sendall(data)
            end.shutdown(socket.SHUT_RDWR)
