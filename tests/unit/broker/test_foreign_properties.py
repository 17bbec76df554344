"""Properties of other producers' messages: those that pika cannot decode close no connection."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from src.broker.consume.frame_reader import DeliveringConnection
from src.broker.execute.attempt import _tick

#: the values of one header, as AMQP writes them, that pika fails to decode
HEADERS = {
    "a year that Python does not know": b"T" + (2**63).to_bytes(8, "big"),
    "NaN": b"f" + struct.pack(">f", float("nan")),
    "infinity": b"d" + struct.pack(">d", float("inf")),
    "a type that AMQP does not know": b"?",
    "a text that is cut off": b"S\xff\xff\xff\xff",
}


@pytest.mark.parametrize("value", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_that_cannot_be_decoded_is_left_out(value: bytes) -> None:
    table = b"\x01x" + value
    properties = struct.pack(">HHQH", 60, 0, 70_000, 0x2000 | 0x0800) + len(table).to_bytes(4, "big") + table + bytes((7,))
    frame = struct.pack(">BHL", 2, 1, len(properties)) + properties + b"\xce"
    connection = DeliveringConnection(internal_connection_workflow=False)
    connection._frame_buffer = frame + b"rest"

    try:
        consumed, header = connection._read_frame()
    finally:
        connection.ioloop.close()

    assert (consumed, header.channel_number, header.body_size, header.properties.priority) == (len(frame), 1, 70_000, 7)


@pytest.mark.parametrize("value", [None, True, 5, 10**400, float("nan"), "", "soon", "\ud800", [], {}])
def test_a_tick_that_is_no_instant_counts_as_none(value: Any) -> None:
    assert _tick({"scheduled_for": value}) is None
