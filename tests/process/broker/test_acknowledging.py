"""Acknowledging many deliveries together: each tag is answered exactly once, and only open tags are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.broker.consume import deliveries
from src.broker.consume.deliveries import Acknowledger


class Channel:
    """RabbitMQ's side of a channel: which tags are open; an answer to any other closes it."""

    def __init__(self) -> None:
        self.open: list[int] = []
        self.frames = 0

    def basic_ack(self, tag: int, multiple: bool = False) -> None:
        assert tag in self.open, f"PRECONDITION_FAILED - unknown delivery tag {tag}"
        self.frames += 1
        self.open = [each for each in self.open if (each > tag if multiple else each != tag)]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["deliver", "settle", "settle", "give back", "pika gives back", "acknowledge"]), st.integers(0, 50))
    ),
)
def test_only_settled_deliveries_are_acknowledged_each_once(steps: list[tuple[str, int]]) -> None:
    channel, acknowledger = Channel(), Acknowledger()
    tag, working, settled = 0, [], set()
    for step, choice in steps:
        if step == "deliver":
            tag += 1
            channel.open.append(tag)
            acknowledger.delivered(tag)
            working.append(tag)
        elif step == "pika gives back":
            tag += 1  # a delivery that pika answered by itself while a subscription ended
        elif step == "acknowledge":
            acknowledger.acknowledge(channel)
            assert set(working) <= set(channel.open)
        elif working:
            chosen = working.pop(choice % len(working))
            if step == "settle":
                acknowledger.settle(chosen)
                settled.add(chosen)
            else:
                channel.open.remove(chosen)
                acknowledger.gave_back(chosen)

    acknowledger.acknowledge(channel, everything=True)

    assert channel.open == sorted(working)
    assert not acknowledger.is_waiting


def test_a_run_of_settled_deliveries_is_one_frame_whatever_was_given_back_before() -> None:
    channel, acknowledger = Channel(), Acknowledger()
    for tag in [1, 2, 5, 6, 7]:  # 3 and 4 were answered by pika
        channel.open.append(tag)
        acknowledger.delivered(tag)
    for tag in [7, 5, 1, 6, 2]:
        acknowledger.settle(tag)

    acknowledger.acknowledge(channel)

    assert (channel.open, channel.frames) == ([], 1)


def behind_an_open_one() -> tuple[Channel, Acknowledger]:
    """Three deliveries, of which the last two are settled."""
    channel, acknowledger = Channel(), Acknowledger()
    for tag in [1, 2, 3]:
        channel.open.append(tag)
        acknowledger.delivered(tag)
    acknowledger.settle(2)
    acknowledger.settle(3)
    return channel, acknowledger


def test_one_long_job_does_not_hold_back_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "TOGETHER_S", -1.0)
    channel, acknowledger = behind_an_open_one()

    acknowledger.acknowledge(channel)

    assert channel.open == [1]


def test_a_few_wait_longer_for_an_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "TOGETHER_S", -1.0)
    channel, acknowledger = behind_an_open_one()

    acknowledger.acknowledge(channel, few=2)
    assert channel.open == [1, 2, 3]
    acknowledger.settle(1)
    acknowledger.acknowledge(channel, few=2)

    assert (channel.open, channel.frames) == ([], 1)


def test_a_delivery_of_another_generation_is_ignored() -> None:
    channel, acknowledger = Channel(), Acknowledger()

    acknowledger.settle(1)
    acknowledger.acknowledge(channel, everything=True)

    assert channel.frames == 0
