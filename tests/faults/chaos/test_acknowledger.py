"""Acknowledging many deliveries in one frame, even if pika has rejected some of them by itself."""

from __future__ import annotations

from src.broker.consume.deliveries import Acknowledger


class Channel:
    """The far side: notes what is acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[tuple[int, bool]] = []

    def basic_ack(self, tag: int, multiple: bool = False) -> None:
        self.acknowledged.append((tag, multiple))


def test_everything_up_to_the_oldest_open_delivery_is_acknowledged_in_one_frame() -> None:
    channel, acknowledger = Channel(), acknowledger_of(1, 2, 3, 4)

    for tag in (2, 1, 4):
        acknowledger.settle(tag)
    acknowledger.acknowledge(channel)

    assert channel.acknowledged == [(2, True)]


def test_a_tag_that_pika_gave_back_by_itself_holds_nothing_up() -> None:
    # 3 was in transit when the subscription ended: pika rejects it without notice.
    channel, acknowledger = Channel(), acknowledger_of(1, 2, 4, 5)

    for tag in (1, 2, 4, 5):
        acknowledger.settle(tag)
    acknowledger.acknowledge(channel)

    assert channel.acknowledged == [(5, True)]
    assert not acknowledger.is_waiting


def test_a_delivery_that_was_given_back_or_acknowledged_is_never_named_again() -> None:
    channel, acknowledger = Channel(), acknowledger_of(1, 2, 3)

    acknowledger.gave_back(1)
    acknowledger.settle(3)
    acknowledger.acknowledge(channel, everything=True)
    for tag in (1, 2, 3):
        acknowledger.settle(tag)
    acknowledger.acknowledge(channel, everything=True)

    assert channel.acknowledged == [(3, False), (2, True)]


def acknowledger_of(*tags: int) -> Acknowledger:
    """One to which these deliveries have come."""
    made = Acknowledger()
    for tag in tags:
        made.delivered(tag)
    return made
