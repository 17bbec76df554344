"""Stop signals that come together, or to another thread than the main one: at the death of a parent the kernel sends one for each of its threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.harness import ROOT

BEGIN = """
import signal, threading, time
from src.broker.core.signals import StopSignals

signals = StopSignals([signal.SIGALRM])
"""
#: another thread gets the signal while the main thread waits
OTHER_THREAD = """
waits = threading.Event()
other = threading.Thread(target=time.sleep, args=[100], daemon=True)
other.start()
threading.Thread(target=lambda: [waits.wait(), signal.pthread_kill(other.ident, signal.SIGALRM)], daemon=True).start()
waits.set()
signals.wait()
"""
#: each interrupts the handler of the one before
TOGETHER = """
for begin in range(1, 301):
    signal.setitimer(signal.ITIMER_REAL, begin / 1e6, 5e-5)
    signals.wait()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signals = StopSignals([signal.SIGALRM])
"""


@pytest.mark.parametrize("program", [OTHER_THREAD, TOGETHER], ids=["other thread", "together"])
def test_a_signal_ends_the_wait(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", BEGIN + program], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
