"""A RabbitMQ that never confirms: a proxy that drops the confirms of the real one."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

_FRAME = struct.Struct(">BHL")
_METHOD, _BASIC_ACK = 1, struct.pack(">HH", 60, 80)


class MuteProxy:
    """Use as a context; clients connect to `url`. While `mute` is set, no Basic.Ack of the broker passes."""

    def __init__(self, broker_url: str) -> None:
        parts = urlsplit(broker_url)
        self._broker = (parts.hostname or "127.0.0.1", parts.port or 5672)
        self._listener = socket.create_server(("127.0.0.1", 0))
        credentials = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{self._listener.getsockname()[1]}"))
        self.mute = threading.Event()
        self.connections = 0
        self.swallowed = 0
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> MuteProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                broker = socket.create_connection(self._broker)
                self._sockets += [client, broker]
                threading.Thread(target=self._pass_on, args=(client, broker), daemon=True).start()
                threading.Thread(target=self._pass_back, args=(broker, client), daemon=True).start()

    def _pass_on(self, client: socket.socket, broker: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                broker.sendall(data)
            broker.shutdown(socket.SHUT_RDWR)

    def _pass_back(self, broker: socket.socket, client: socket.socket) -> None:
        buffer = b""
        with suppress(OSError):
            while data := broker.recv(65_536):
                buffer += data
                while len(buffer) >= _FRAME.size:
                    kind, _, size = _FRAME.unpack_from(buffer)
                    end = _FRAME.size + size + 1
                    if len(buffer) < end:
                        break
                    frame, buffer = buffer[:end], buffer[end:]
                    if self.mute.is_set() and kind == _METHOD and frame[_FRAME.size : _FRAME.size + 4] == _BASIC_ACK:
                        self.swallowed += 1
                    else:
                        client.sendall(frame)
            client.shutdown(socket.SHUT_RDWR)
