"""Two shortcuts through pika, for the two directions in which thousands of messages a second travel.

JoiningConnection writes the frames of many publishes itself and sends them in one system call. DeliveringConnection
reads the three frames of a delivery in one go and hands what came in one burst to its consumer, past pika's channel:
5 us where pika's way through every frame's object and callbacks takes 30. What is used here is pika's own and private,
so an unknown pika falls back to the stock behaviour, and whatever is not exactly a whole delivery is left to pika.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, NamedTuple

import pika
from pika.adapters import select_connection
from pika.adapters.select_connection import IOLoop
from pika.adapters.utils import io_services_utils

_CAN_JOIN = hasattr(pika.SelectConnection, "_adapter_emit_data") and hasattr(pika.connection.Connection, "_get_body_frame_max_length")
#: can a loop be kept from touching its connection while another thread does
CAN_GUARD = hasattr(getattr(select_connection, "_PollerBase", None), "_dispatch_fd_events")
#: pika's transport without TLS
_PLAIN = getattr(io_services_utils, "_AsyncPlaintextTransport", None)


class Outgoing(NamedTuple):
    """One message for the default exchange, to be returned if its queue is not there."""

    route: str
    body: bytes
    id: str
    actor: str
    priority: int


class GuardedLoop(IOLoop):  # type: ignore[misc]
    """pika's loop, whose thread holds `guard` in all that it does but wait: whoever holds it may use the loop's connection."""

    def __init__(self, guard: AbstractContextManager[Any]) -> None:
        self._guard = guard
        super().__init__()
        if CAN_GUARD:
            self._poller._dispatch_fd_events = self._guarded(self._poller._dispatch_fd_events)

    def process_timeouts(self) -> None:
        with self._guard:
            super().process_timeouts()

    def _guarded(self, dispatch: Callable[[Any], None]) -> Callable[[Any], None]:
        def dispatch_guarded(events: Any) -> None:
            with self._guard:
                dispatch(events)

        return dispatch_guarded


class JoiningConnection(pika.SelectConnection):  # type: ignore[misc]
    """Publishes many messages at once."""

    def publish(self, channel: Any, messages: Sequence[Outgoing]) -> None:
        """Send durable messages, in order, on an open channel of this connection."""
        if not _CAN_JOIN:
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
    def has_unsent(self) -> bool:
        """Does pika hold bytes that the kernel has not taken?"""
        return self._transport is not None and bool(self._get_write_buffer_size())

    def _sent_at_once(self, data: bytes) -> int:
        """How many bytes the kernel has taken; pika would go round its loop first, with three system calls more."""
        transport: Any = self._transport
        if type(transport) is not _PLAIN or transport.get_write_buffer_size() or transport._state != transport._STATE_ACTIVE:
            return 0
        try:
            return int(transport._sock.send(data))
        except OSError:
            return 0  # the kernel has no room, or the connection is broken: pika finds that out itself


def properties(one: Outgoing, timestamp: int | None = None) -> pika.BasicProperties:
    """What people see beside the body in the management UI; nothing of it is believed."""
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
    """The frames of one publish, as pika would marshal them with `properties`; `most`: bytes of a body in one frame."""
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
    """As much of a text as AMQP's short texts hold: 255 bytes, which a name of 255 characters may exceed."""
    return text if len(text) < 64 else text.encode()[:255].decode(errors="ignore")


_BASIC, _PUBLISH = 60, 40
_HEADER_START = struct.Struct(">HHQH")  # class, weight, size of the body, flags of the properties
#: content type, delivery mode, priority, message id, timestamp, type, app id
_FLAGS = 0x8000 | 0x1000 | 0x0800 | 0x0080 | 0x0040 | 0x0020 | 0x0008
_CONTENT_TYPE = _short("application/json")
_APP_ID = _short("callboard")

#: bytes of a body up to which a delivery is waited for as a whole
WHOLE_LIMIT = 65_536
_FRAME = struct.Struct(">BHL")  # type, channel, size of the payload; the payload and one end byte follow
_METHOD, _HEADER, _BODY, _END = 1, 2, 3, 0xCE
_DELIVER = b"\x00\x3c\x00\x3c"
_TAG = struct.Struct(">QB")
_CONTENT = struct.Struct(">QH")  # size of the body, flags of the properties
_CAN_DELIVER = all(hasattr(pika.connection.Connection, name) for name in ("_on_data_available", "_trim_frame_buffer")) and hasattr(
    pika.channel.Channel, "_on_deliver"
)


class Whole(NamedTuple):
    """A delivery all of whose frames are there; `end` is where the next frame begins."""

    channel: int
    consumer_tag: str
    delivery_tag: int
    redelivered: bool
    priority: int | None
    body: bytes
    end: int


class DeliveringConnection(pika.SelectConnection):  # type: ignore[misc]
    """For consumers that look at no other property than the priority."""

    _frame_buffer: bytes
    #: takes a burst of deliveries, in order, or says that pika must bring them; None: pika brings all of them
    sink: Callable[[list[Whole]], bool] | None = None

    def _on_data_available(self, data_in: bytes) -> None:
        if not _CAN_DELIVER:
            super()._on_data_available(data_in)
            return
        buffer = self._frame_buffer + data_in
        found, position = [], 0
        while isinstance(whole := whole_delivery(buffer, position), Whole) and self._is_between_messages(whole.channel):
            found.append(whole)
            position = whole.end
        self._frame_buffer = buffer[position:]
        self.bytes_received += position  # by which pika knows that the other side lives
        self.frames_received += 3 * len(found)
        if found and self.sink is not None and self.sink(found):
            found = []
        for one in found:
            method = pika.spec.Basic.Deliver(one.consumer_tag, one.delivery_tag, one.redelivered, "", "")
            self._channels[one.channel]._on_deliver(
                pika.frame.Method(one.channel, method),
                pika.frame.Header(one.channel, len(one.body), pika.BasicProperties(priority=one.priority)),
                one.body,
            )
        if whole is not True:
            super()._on_data_available(b"")

    def _read_frame(self) -> tuple[int, Any]:
        """Read one frame, and of properties that pika cannot decode the priority alone: raised, the error would close the connection.

        A timestamp of the year 10000 among the headers of another producer's message is such a property, and a NaN is.
        """
        try:
            consumed, frame = super()._read_frame()
        except Exception:
            kind, channel, size = _FRAME.unpack_from(self._frame_buffer)
            if kind != _HEADER:
                raise
            body_size, flags = _CONTENT.unpack_from(self._frame_buffer, _FRAME.size + 4)
            found = pika.BasicProperties(priority=_priority(self._frame_buffer, _FRAME.size + 4 + _CONTENT.size, flags))
            return _FRAME.size + size + 1, pika.frame.Header(channel, body_size, found)
        return consumed, frame

    def _is_between_messages(self, number: int) -> bool:
        channel = self._channels.get(number)
        return channel is not None and channel._content_assembler._method_frame is None


def take_past_pika(connection: Any, channel: Any, put: Callable[[list[Whole]], None]) -> None:
    """Give `put` what is delivered on the one channel of a BlockingConnection, as far as no earlier delivery waits in pika.

    Those that pika brings keep their place: while one of them waits, those behind it take pika's way, too.
    """
    if not (_CAN_DELIVER and hasattr(connection, "_request_channel_dispatch") and hasattr(channel, "_pending_events")):
        return

    def sink(found: list[Whole]) -> bool:
        if channel._pending_events:
            return False
        put(found)
        connection._request_channel_dispatch(-1)  # process_data_events() has brought something, and may return
        return True

    connection._impl.sink = sink


def whole_delivery(buffer: bytes, position: int) -> Whole | bool:
    """The delivery that begins at `position`; True: wait for the rest of it; False: it is something else, or too big."""
    try:
        kind, channel, size = _FRAME.unpack_from(buffer, position)
        at = position + _FRAME.size
        if kind != _METHOD or buffer[at : at + 4] != _DELIVER[: len(buffer) - at]:
            return False
        tag_end = at + 5 + buffer[at + 4]
        consumer_tag = buffer[at + 5 : tag_end]
        delivery_tag, redelivered = _TAG.unpack_from(buffer, tag_end)
        at += size + 1
        kind, same_channel, size = _FRAME.unpack_from(buffer, at)
        body_size, flags = _CONTENT.unpack_from(buffer, at + _FRAME.size + 4)
        if kind != _HEADER or same_channel != channel or body_size > WHOLE_LIMIT or flags & 1:
            return False
        priority = _priority(buffer, at + _FRAME.size + 4 + _CONTENT.size, flags)
        at += _FRAME.size + size + 1
        body = b""
        if body_size:
            kind, same_channel, size = _FRAME.unpack_from(buffer, at)
            if kind != _BODY or same_channel != channel or size != body_size:
                return False
            body = buffer[at + _FRAME.size : at + _FRAME.size + size]
            at += _FRAME.size + size + 1
        if buffer[at - 1] != _END:
            return False
    except (struct.error, IndexError):
        return True
    return Whole(channel, consumer_tag.decode(), delivery_tag, bool(redelivered & 1), priority, body, at)


def _priority(buffer: bytes, at: int, flags: int) -> int | None:
    if not flags & 0x0800:
        return None
    for flag in (0x8000, 0x4000):  # content type and encoding: short texts
        if flags & flag:
            at += 1 + buffer[at]
    if flags & 0x2000:  # headers: a table
        at += 4 + int.from_bytes(buffer[at : at + 4])
    if flags & 0x1000:  # delivery mode
        at += 1
    return buffer[at]
