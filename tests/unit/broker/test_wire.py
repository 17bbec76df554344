"""Frames read and written past pika match pika's own, wherever the network cuts them."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.broker.consume.frame_reader import WHOLE_LIMIT, DeliveringConnection, Whole, take_past_pika, whole_delivery
from src.broker.publish import frame_writer
from src.broker.publish.frame_writer import Outgoing

properties = st.builds(
    pika.BasicProperties,
    content_type=st.none() | st.text(max_size=40),
    content_encoding=st.none() | st.text(max_size=10),
    headers=st.none() | st.dictionaries(st.text(max_size=10), st.integers(0, 9) | st.text(max_size=10), max_size=3),
    delivery_mode=st.none() | st.sampled_from([1, 2]),
    priority=st.none() | st.integers(0, 255),
    correlation_id=st.none() | st.text(max_size=40),
    message_id=st.none() | st.text(max_size=40),
)


def frames(tag: str, number: int, redelivered: bool, properties: pika.BasicProperties, body: bytes, channel: int = 1) -> bytes:
    method = pika.spec.Basic.Deliver(tag, number, redelivered, "exchange", "key")
    parts = [pika.frame.Method(channel, method).marshal(), pika.frame.Header(channel, len(body), properties).marshal()]
    return b"".join([*parts, *([pika.frame.Body(channel, body).marshal()] if body else [])])


@pytest.mark.long
@given(st.text(max_size=30), st.integers(1, 2**63), st.booleans(), properties, st.binary(max_size=300), st.data())
def test_a_whole_delivery_is_read_and_a_part_of_it_waited_for(
    tag: str, number: int, redelivered: bool, properties: pika.BasicProperties, body: bytes, data: st.DataObject
) -> None:
    before, one = b"anything before", frames(tag, number, redelivered, properties, body)

    found = whole_delivery(before + one + b"anything after", len(before))

    assert isinstance(found, Whole)
    assert found[:-1] == (1, tag, number, redelivered, properties.priority, body, len(before) + len(one))
    has_more = properties.headers is not None or properties.correlation_id is not None
    assert found.properties == (properties if has_more else pika.BasicProperties(priority=properties.priority))
    assert whole_delivery(one[: data.draw(st.integers(7, len(one) - 1))], 0) is True


@pytest.mark.parametrize(
    "other",
    [
        pika.frame.Heartbeat().marshal(),
        pika.frame.Method(1, pika.spec.Basic.CancelOk("tag")).marshal(),
        frames("tag", 1, False, pika.BasicProperties(), b"x" * (WHOLE_LIMIT + 1)),
        frames("tag", 1, False, pika.BasicProperties(), b"two frames")[:-18]
        + pika.frame.Body(1, b"two ").marshal()
        + pika.frame.Body(1, b"frames").marshal(),
    ],
    ids=["heartbeat", "another method", "a big body", "a body in two frames"],
)
def test_anything_else_is_left_to_pika(other: bytes) -> None:
    assert whole_delivery(other, 0) is False


@given(st.text(max_size=60), st.binary(max_size=300), st.text(max_size=255), st.text(max_size=255), st.integers(0, 9), st.integers(1, 400))
def test_a_publish_is_written_as_pika_writes_it(route: str, body: bytes, id: str, actor: str, priority: int, most: int) -> None:
    one = Outgoing(route, body, id, actor, priority)

    frames = frame_writer.publish_frames(3, one, most, timestamp=1_700_000_000)

    method = pika.spec.Basic.Publish(exchange="", routing_key=route, mandatory=True)
    assert frames == [
        pika.frame.Method(3, method).marshal(),
        pika.frame.Header(3, len(body), frame_writer.properties(one, timestamp=1_700_000_000)).marshal(),
        *(pika.frame.Body(3, body[start : start + most]).marshal() for start in range(0, len(body), most)),
    ]


@pytest.fixture
def unconnected() -> Iterator[DeliveringConnection]:
    made = DeliveringConnection(internal_connection_workflow=False)
    yield made
    made.ioloop.close()


def test_bytes_read_past_pika_count_as_activity(unconnected: DeliveringConnection) -> None:
    # pika gives up a connection on which it has heard nothing for two heartbeats.
    taken: list[Whole] = []
    unconnected._channels[1] = unconnected._create_channel(1, None)

    def sink(found: list[Whole]) -> bool:
        taken.extend(found)
        return True

    unconnected.sink = sink
    data = b"".join(frames("tag", number, False, pika.BasicProperties(), b"body") for number in (1, 2))

    unconnected._on_data_available(data[:-3])
    unconnected._on_data_available(data[-3:])

    assert [one.delivery_tag for one in taken] == [1, 2]
    assert unconnected.bytes_received == len(data)


@pytest.mark.parametrize("waiting", [[], ["a delivery that pika read"]])
def test_a_delivery_never_overtakes_one_that_pika_brings(unconnected: DeliveringConnection, waiting: list[str]) -> None:
    taken: list[Whole] = []
    asked: list[int] = []
    connection = SimpleNamespace(_impl=unconnected, _request_channel_dispatch=asked.append)
    take_past_pika(connection, SimpleNamespace(_pending_events=waiting), taken.extend)
    one = whole_delivery(frames("tag", 1, False, pika.BasicProperties(), b"body"), 0)

    assert unconnected.sink is not None
    assert isinstance(one, Whole)
    assert unconnected.sink([one]) is not bool(waiting)
    assert taken == ([] if waiting else [one])
    assert asked == ([] if waiting else [-1])
