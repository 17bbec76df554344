"""Stop signals that come together: at the death of a parent the kernel sends one for each of its threads."""

from __future__ import annotations

import subprocess
import sys

from tests.harness import ROOT

#: waits again and again for a signal that comes every 50 microseconds, and so interrupts the handler of the one before
PROGRAM = """
import signal
from src.broker.core.stop_signals import StopSignals

for begin in range(1, 501):
    signals = StopSignals([signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, begin / 1e6, 5e-5)
    signals.wait()
    signal.setitimer(signal.ITIMER_REAL, 0)
print("waited", begin)
"""


def test_a_signal_that_interrupts_the_handler_of_another_ends_the_wait() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.stdout == "waited 500\n", done.stderr
