"""Interrupts reach an actor's call and no other code, however closely they miss it."""

from __future__ import annotations

import sys
import threading
import time

import pytest
from dramatiq.middleware import TimeLimitExceeded

from src.broker.execute import interrupts as interrupts_module
from src.broker.execute.interrupts import Interrupts
from src.jobs import CancelRequested
from tests.harness.waiting import eventually


def nothing() -> None:
    """Nothing is wanted before the call."""


def spin(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass


def test_an_open_call_is_interrupted_and_a_closed_or_foreign_one_is_not() -> None:
    interrupts, ident, owner = Interrupts(), threading.get_ident(), object()
    assert not interrupts.raise_in(ident, owner, CancelRequested)

    def work() -> None:
        assert not interrupts.raise_in(ident, object(), CancelRequested)
        threading.Timer(0.1, interrupts.raise_in, args=(ident, owner, CancelRequested)).start()
        spin(10)

    with pytest.raises(CancelRequested):
        interrupts.call(owner, float("inf"), nothing, work, (), {})
    assert not interrupts.raise_in(ident, owner, CancelRequested)
    spin(0.05)


def test_what_was_wanted_before_the_call_is_raised_instead_of_it() -> None:
    called: list[int] = []

    def check() -> None:
        raise CancelRequested

    with pytest.raises(CancelRequested):
        Interrupts().call(object(), float("inf"), check, called.append, (1,), {})
    assert not called


def test_an_interrupt_that_comes_as_the_call_ends_never_reaches_what_follows() -> None:
    """Given two thousand calls that are interrupted at the very moment they end."""
    interrupts, owner = Interrupts(), object()
    ended = threading.Event()
    escaped: list[BaseException] = []
    calls = {"whole": 0, "interrupted": 0}

    def work() -> None:
        try:
            while not ended.is_set():
                try:
                    interrupts.call(owner, float("inf"), nothing, spin, (0.0002,), {})
                    calls["whole"] += 1
                except CancelRequested:
                    calls["interrupted"] += 1
                assert not interrupts._open
                spin(0.0002)
        except BaseException as error:  # noqa: BLE001 - an interrupt here is what must not be
            escaped.append(error)

    earlier = sys.getswitchinterval()
    sys.setswitchinterval(0.00005)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        assert thread.ident is not None
        for _ in range(2_000):
            interrupts.raise_in(thread.ident, owner, CancelRequested)
            time.sleep(0.0003)
        ended.set()
        thread.join()
    finally:
        sys.setswitchinterval(earlier)
    assert not escaped
    assert min(calls.values()) > 10, calls


def test_two_interrupts_of_one_call_come_a_second_apart() -> None:
    interrupts, ident, owner = Interrupts(), threading.get_ident(), object()
    interrupts.deliver_by(lambda *_: None, lambda *_: None)
    interrupts.open(owner, float("inf"))
    assert interrupts.raise_in(ident, owner, CancelRequested)
    assert not interrupts.raise_in(ident, owner, CancelRequested)
    interrupts.close()
    interrupts.open(owner, float("inf"))
    assert interrupts.raise_in(ident, owner, CancelRequested)  # another call
    interrupts.close()


def test_time_that_is_up_interrupts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts_module, "INTERVAL_S", 0.05)
    monkeypatch.setattr(interrupts_module, "APART_S", 0.2)
    interrupts, owner = Interrupts(), object()
    caught = []

    def work() -> None:
        try:
            spin(10)
        except TimeLimitExceeded:
            caught.append(1)
        spin(0.5)  # more looks at the deadlines

    interrupts.call(owner, 100, nothing, work, (), {})
    assert caught == [1]


def test_time_is_up_also_for_a_call_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts_module, "INTERVAL_S", 0.01)
    interrupts = Interrupts()
    interrupts.call(object(), 60_000, nothing, nothing, (), {})
    eventually(lambda: interrupts._is_idle, what="the thread sleeps while no call is open")

    with pytest.raises(TimeLimitExceeded):
        interrupts.call(object(), 50, nothing, spin, (10,), {})


def test_waiting_threads_are_interrupted_at_their_next_step() -> None:
    interrupts, owner, seen = Interrupts(), object(), []

    def work() -> None:
        interrupts.open(owner, float("inf"))
        try:
            while True:
                time.sleep(0.01)
        except CancelRequested as request:
            seen.append(type(request))
        finally:
            interrupts.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert thread.ident is not None
    ident = thread.ident
    eventually(lambda: interrupts.raise_in(ident, owner, CancelRequested))
    thread.join(5)
    assert seen == [CancelRequested]
