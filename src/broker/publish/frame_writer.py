"""Publishing connection: writes the frames of many publishes itself and sends them in one system call.

pika builds an object for each frame and runs its loop once per publish. This uses private parts of pika, so an unknown
version of pika falls back to the stock behaviour.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import lru_cache
from typing import Any, NamedTuple

import pika
from pika.adapters.select_connection import IOLoop
from pika.adapters.utils import io_services_utils

from ..core.pika_parts import IS_KNOWN

#: pika's transport without TLS
_PLAIN = getattr(io_services_utils, "_AsyncPlaintextTransport", None)


class Outgoing(NamedTuple):
    """One message for the default exchange, returned if its queue does not exist."""

    route: str
    body: bytes
    id: str
    actor: str
    priority: int


class GuardedLoop(IOLoop):  # type: ignore[misc]
    """pika's loop, whose callbacks hold `guard`: the thread that holds it may use the connection."""

    def __init__(self, guard: AbstractContextManager[Any]) -> None:
        super().__init__()
        self._guarded_by = guard
        self._watched: set[int] = set()  # descriptors of pika's sockets

    def hang_up(self) -> None:
        """Shut down the sockets of this loop as if the other side had; pika notices and reports it."""
        for fd in self._watched:
            with suppress(OSError), socket.socket(fileno=os.dup(fd)) as same:
                same.shutdown(socket.SHUT_RDWR)

    def add_handler(self, fd: int, handler: Callable[..., None], events: int) -> None:
        self._watched.add(fd)
        super().add_handler(fd, self._guarded(handler), events)

    def remove_handler(self, fd: int) -> None:
        self._watched.discard(fd)
        super().remove_handler(fd)

    def call_later(self, delay: float, callback: Callable[..., None]) -> Any:
        return super().call_later(delay, self._guarded(callback))

    def add_callback_threadsafe(self, callback: Callable[..., None]) -> None:
        super().add_callback_threadsafe(self._guarded(callback))

    add_callback = add_callback_threadsafe  # pika's own name for it

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            with self._guarded_by:
                callback(*arguments)

        return call


class JoiningConnection(pika.SelectConnection):  # type: ignore[misc]
    """Publishes many messages at once."""

    def publish(self, channel: Any, messages: Sequence[Outgoing]) -> None:
        """Send durable messages, in order, on an open channel of this connection."""
        if not IS_KNOWN:
            for one in messages:
                channel.basic_publish("", one.route, one.body, properties(one), mandatory=True)
            return
        most = self._get_body_frame_max_length()
        frames = [frame for one in messages for frame in publish_frames(channel.channel_number, one, most)]
        data = b"".join(frames)
        self.bytes_sent += len(data)
        self.frames_sent += len(frames)
        unsent = data[self._sent_at_once(data) :]
        if unsent:
            self._adapter_emit_data(unsent)

    @property
    def is_without_socket(self) -> bool:
        """True until TCP has connected."""
        return self._transport is None

    @property
    def has_unsent(self) -> bool:
        """True if pika holds bytes that the kernel has not taken."""
        return self._transport is not None and bool(self._get_write_buffer_size())

    def _sent_at_once(self, data: bytes) -> int:
        """Write to the socket and return how many bytes the kernel has taken; pika's loop would cost three more system calls."""
        transport: Any = self._transport
        if type(transport) is not _PLAIN or transport.get_write_buffer_size() or transport._state != transport._STATE_ACTIVE:
            return 0
        try:
            return int(transport._sock.send(data))
        except OSError:
            return 0  # the kernel's buffer is full, or the connection is broken, which pika detects itself


def properties(one: Outgoing, timestamp: int | None = None) -> pika.BasicProperties:
    """AMQP properties for the management UI. No decision depends on them: the row decides."""
    return pika.BasicProperties(
        content_type="application/json",
        delivery_mode=2,
        priority=one.priority,
        message_id=_fitting(one.id),
        timestamp=int(time.time()) if timestamp is None else timestamp,
        type=_fitting(one.actor),
        app_id="callboard",
    )


def publish_frames(channel: int, one: Outgoing, most: int, timestamp: int | None = None) -> list[bytes]:
    """Build the frames of one publish, as pika would marshal them with `properties`; `most`: bytes of a body per frame."""
    header = _HEADER_START.pack(_BASIC, 0, len(one.body), _FLAGS) + _CONTENT_TYPE + bytes((2, one.priority))
    seconds = int(time.time()) if timestamp is None else timestamp
    header += _short(one.id) + seconds.to_bytes(8, "big") + _short(one.actor) + _APP_ID
    frames = [_method(channel, one.route), _frame(_HEADER, channel, header)]
    frames.extend(_frame(_BODY, channel, one.body[start : start + most]) for start in range(0, len(one.body), most))
    return frames


@lru_cache(maxsize=256)
def _method(channel: int, route: str) -> bytes:
    mandatory = 1
    return _frame(_METHOD, channel, struct.pack(">HHH", _BASIC, _PUBLISH, 0) + _short("") + _short(route) + bytes((mandatory,)))


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return _FRAME.pack(kind, channel, len(payload)) + payload + b"\xce"


def _short(text: str) -> bytes:
    raw = _fitting(text).encode()
    return bytes((len(raw),)) + raw


def _fitting(text: str) -> str:
    """Truncate a text to AMQP's short string: 255 bytes, which a name of 255 characters may exceed."""
    return text if len(text) < 64 else text.encode()[:255].decode(errors="ignore")


_BASIC, _PUBLISH = 60, 40
_FRAME = struct.Struct(">BHL")  # type, channel, size of the payload; the payload and one end byte follow
_METHOD, _HEADER, _BODY = 1, 2, 3
_HEADER_START = struct.Struct(">HHQH")  # class, weight, size of the body, flags of the properties
#: content type, delivery mode, priority, message id, timestamp, type, app id
_FLAGS = 0x8000 | 0x1000 | 0x0800 | 0x0080 | 0x0040 | 0x0020 | 0x0008
_CONTENT_TYPE = _short("application/json")
_APP_ID = _short("callboard")
