"""Consuming connection: reads the three frames of a delivery together and hands a burst to its consumer, bypassing pika's channel.

5 µs per message, where pika's objects and callbacks per frame take 30. It uses private parts of pika, so an unknown
version of pika falls back to the stock behaviour. Anything that is not exactly a complete delivery is left to pika.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pika

from ..core.pika_parts import IS_KNOWN

#: bytes of a body up to which a delivery is awaited as a whole
WHOLE_LIMIT = 65_536
#: bytes read from the socket at once; pika's 4,096 hold eleven short messages
READ_LIMIT = 65_536
_FRAME = struct.Struct(">BHL")  # type, channel, size of the payload; the payload and one end byte follow
_METHOD, _HEADER, _BODY, _END = 1, 2, 3, 0xCE
_DELIVER = b"\x00\x3c\x00\x3c"
_TAG = struct.Struct(">QB")
_CONTENT = struct.Struct(">QH")  # size of the body, flags of the properties
_HEAD = struct.Struct(">BHL4xQH")  # of a header frame: that of every frame, then after class and weight the same
_FLAGS_AT = 12  # bytes of a header frame before its flags
_FOREIGN = 0x2400  # flags that no message of ours has: headers, correlation id
_LEADING = 0xF800  # flags of the properties up to the priority
_OURS = 0x9800  # their values in messages of ours: content type, delivery mode, priority


class Whole(NamedTuple):
    """A delivery whose frames have all arrived; `end` is where the next frame begins.

    `header` holds the encoded properties if there are headers or a correlation id, as in messages of Celery.
    """

    channel: int
    consumer_tag: str
    delivery_tag: int
    redelivered: bool
    priority: int | None
    body: bytes
    end: int
    header: bytes = b""

    @property
    def properties(self) -> pika.BasicProperties:
        """The properties; of a message without `header`, or with values that pika cannot decode, only the priority."""
        if self.header:
            with suppress(Exception):
                return pika.BasicProperties().decode(self.header)
        return pika.BasicProperties(priority=self.priority)


class DeliveringConnection(pika.SelectConnection):  # type: ignore[misc]
    """Connection for consumers that need no other property than the priority, except of other programs' messages."""

    _frame_buffer: bytes
    #: accepts a burst of deliveries, in order, or returns False to let pika deliver them; None: pika delivers all
    sink: Callable[[list[Whole]], bool] | None = None

    def _proto_connection_made(self, transport: Any) -> None:
        super()._proto_connection_made(transport)
        if IS_KNOWN:
            self._transport._MAX_RECV_BYTES = READ_LIMIT

    def _on_data_available(self, data_in: bytes) -> None:
        if not IS_KNOWN:
            super()._on_data_available(data_in)
            return
        buffer = self._frame_buffer + data_in
        found, position = [], 0
        while isinstance(whole := whole_delivery(buffer, position), Whole) and self._is_between_messages(whole.channel):
            found.append(whole)
            position = whole.end
        self._frame_buffer = buffer[position:]
        self.bytes_received += position  # tells pika that the other side is alive
        self.frames_received += 3 * len(found)
        if found and self.sink is not None and self.sink(found):
            found = []
        for one in found:
            method = pika.spec.Basic.Deliver(one.consumer_tag, one.delivery_tag, one.redelivered, "", "")
            self._channels[one.channel]._on_deliver(
                pika.frame.Method(one.channel, method),
                pika.frame.Header(one.channel, len(one.body), one.properties),
                one.body,
            )
        if whole is not True:
            super()._on_data_available(b"")

    def _read_frame(self) -> tuple[int, Any]:
        """Read one frame; if pika cannot decode its properties, keep only the priority: the error would close the connection.

        Examples are a timestamp in the year 10000 or a NaN among the headers of another producer's message.
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
    """Pass deliveries on the one channel of a BlockingConnection to `put`, unless an earlier one still waits in pika.

    Order is kept: while pika holds one, those behind it take pika's way too.
    """
    if not IS_KNOWN:
        return

    def sink(found: list[Whole]) -> bool:
        if channel._pending_events:
            return False
        put(found)
        connection._request_channel_dispatch(-1)  # makes process_data_events() return
        return True

    connection._impl.sink = sink


def whole_delivery(buffer: bytes, position: int) -> Whole | bool:
    """Return the delivery that begins at `position`; True: wait for the rest of it; False: it is something else, or too big."""
    try:
        kind, channel, size = _FRAME.unpack_from(buffer, position)
        at = position + _FRAME.size
        if kind != _METHOD:
            return False
        if not buffer.startswith(_DELIVER, at):
            return _DELIVER.startswith(buffer[at : at + 4])
        tag_end = at + 5 + buffer[at + 4]
        consumer_tag = buffer[at + 5 : tag_end]
        delivery_tag, redelivered = _TAG.unpack_from(buffer, tag_end)
        at += size + 1
        kind, same_channel, size, body_size, flags = _HEAD.unpack_from(buffer, at)
        if kind != _HEADER or same_channel != channel or body_size > WHOLE_LIMIT or flags & 1:
            return False
        properties_at = at + _HEAD.size
        if flags & _LEADING == _OURS:
            priority: int | None = buffer[properties_at + buffer[properties_at] + 2]
        else:
            priority = _priority(buffer, properties_at, flags)
        header = buffer[at + _FRAME.size + _FLAGS_AT : at + _FRAME.size + size] if flags & _FOREIGN else b""
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
    return Whole(channel, consumer_tag.decode(), delivery_tag, bool(redelivered & 1), priority, body, at, header)


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
