"""A scheduler whose pulse has stopped is silent; one that starts, waits for SQL or has ended is not."""

from __future__ import annotations

import subprocess

import pytest

from src.scheduling.pulse import DESCRIPTOR, Pulse
from src.up.checks.pulses import REPLACE_AFTER_S, Pulses
from src.up.parts import launch


class Clock:
    present_s = 1000.0

    def __call__(self) -> float:
        return self.present_s


def test_a_process_is_silent_a_minute_after_its_last_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    time_s, beating = Clock(), []
    pulses = Pulses(time_s)

    def start(descriptor: int) -> subprocess.Popen[bytes]:
        monkeypatch.setenv(launch.PULSE_FD, str(descriptor))
        beating.append(Pulse())
        beating[0].beat()
        return subprocess.Popen(["sleep", "60"], pass_fds=[descriptor])

    process = pulses.start(start)
    try:
        assert not pulses.is_silent(process.pid)
        time_s.present_s += REPLACE_AFTER_S
        assert not pulses.is_silent(process.pid)
        time_s.present_s += 1
        assert pulses.is_silent(process.pid)
    finally:
        process.terminate()
        process.wait()
    pulses.keep(set())  # it has ended
    assert not pulses.is_silent(process.pid)


def test_a_process_that_has_not_begun_is_not_silent() -> None:
    time_s = Clock()
    pulses = Pulses(time_s)
    process = pulses.start(lambda pulse: subprocess.Popen(["sleep", "60"], pass_fds=[pulse]))
    try:
        time_s.present_s += 10 * REPLACE_AFTER_S
        assert not pulses.is_silent(process.pid)
    finally:
        process.terminate()
        process.wait()
    pulses.keep(set())


def test_both_sides_name_the_pipe_alike() -> None:
    assert launch.PULSE_FD == DESCRIPTOR
    Pulse().beat()  # without a pipe it does nothing
