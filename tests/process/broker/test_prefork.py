"""Prefork parent: forks replacements, passes signals on, and ends with its worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.harness import ROOT

#: a worker that wants a replacement, and replacements that serve; the first of them fails if there is a file to say so
PROGRAM = """
import os, signal, sys, time
from src.broker.process.prefork import Prefork

link = Prefork().run()
print(os.getpid(), link.reason or "first", flush=True)
if link.reason:
    if os.path.exists(sys.argv[1]):
        os.unlink(sys.argv[1])
        os._exit(3)
    link.serves()
    signal.pause()
while not link.is_replaced:
    link.ask("why")
    time.sleep(0.01)
print("replaced", flush=True)
"""


@contextmanager
def preforked(marker: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, str(marker)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # all have ended
                os.killpg(process.pid, signal.SIGKILL)


def line(process: subprocess.Popen[str]) -> list[str]:
    """Return the words of the next line that is not of the log."""
    assert process.stdout is not None
    while True:
        words = process.stdout.readline().split()
        assert words, "it has ended"
        if words[0] == "replaced" or words[0].isdigit():
            return words


def test_a_worker_is_replaced_and_the_parent_stops_with_the_replacement(tmp_path: Path) -> None:
    with preforked(tmp_path / "none") as process:
        first, reason = line(process)
        assert reason == "first"
        second, reason = line(process)
        assert (reason, second == first) == ("why", False)
        assert line(process) == ["replaced"]
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM


def test_a_replacement_that_fails_is_followed_by_another_one(tmp_path: Path) -> None:
    (tmp_path / "fails").touch()
    with preforked(tmp_path / "fails") as process:
        pids = {line(process)[0] for _ in range(3)}
        assert len(pids) == 3
        assert line(process) == ["replaced"]


def test_the_parent_ends_with_a_worker_that_has_no_replacement(tmp_path: Path) -> None:
    with preforked(tmp_path / "none") as process:
        line(process)
        second = line(process)[0]
        assert line(process) == ["replaced"]
        os.kill(int(second), signal.SIGKILL)
        assert process.wait(30) == 128 + signal.SIGKILL
