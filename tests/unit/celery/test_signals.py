"""Signals: receivers by sender, and signals that are never sent."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from src.celery.exceptions import Unsupported
from src.celery.signals import setup_logging, task_received
from src.celery.signals.signal import Signal
from src.celery.signals.signals import SIGNALS
from tests.actors.celery_tasks import add, mul


def test_a_receiver_is_called_for_its_sender() -> None:
    signal, seen = Signal("one"), []

    @signal.connect(sender=add)
    def receive(sender: Any, **named: Any) -> str:
        seen.append((sender, named["x"]))
        return "done"

    assert signal.send(add, x=1) == [(receive, "done")]
    assert (signal.send(mul, x=2), signal.send(add.name, x=3)) == ([], [(receive, "done")])
    assert seen == [(add, 1), (add.name, 3)]
    assert signal.disconnect(receive, sender=add)
    assert not signal.has_listeners(add)


def test_receivers_are_held_weakly_unless_asked_otherwise() -> None:
    signal = Signal("one")

    def make(weak: bool) -> None:
        def receive(**_: Any) -> None: ...

        signal.connect(receive, weak=weak, dispatch_uid=f"uid {weak}")

    make(True)
    make(False)
    gc.collect()

    assert len(signal.send(None)) == 1


def test_an_error_of_a_receiver_is_its_answer_unless_the_signal_is_strict() -> None:
    def receive(**_: Any) -> None:
        raise ValueError("broken")

    tolerant, strict = Signal("one"), Signal("two", is_strict=True)
    tolerant.connect(receive)
    strict.connect(receive)

    [(_, answer)] = tolerant.send(None)
    assert isinstance(answer, ValueError)
    with pytest.raises(ValueError, match="broken"):
        strict.send(None)


def test_a_signal_that_is_never_sent_refuses_receivers() -> None:
    with pytest.raises(
        Unsupported,
        match=r"The signal task_received is never sent: a worker claims a job when it starts it\. Instead: use the signal task_prerun\.",
    ):
        task_received.connect(print)
    with pytest.raises(Unsupported, match="CALLBOARD_LOG_LEVEL"):

        @setup_logging.connect
        def setup(**_: Any) -> None: ...

    assert all(bool(signal.reason) == bool(signal.cure) for signal in SIGNALS.values())
