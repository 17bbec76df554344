"""A worker command's log holds complete lines, however many threads write at once and however long the lines are."""

from __future__ import annotations

import sys
import threading
from multiprocessing import Pipe

import pytest
from dramatiq.compat import StreamablePipe

from src.broker.core.line_pipe import PIECE, LinePipe, pieces
from src.broker.execute import capture
from src.jobs import State
from tests.actors import isolation as actors
from tests.harness.callboard import Callboard
from tests.harness.waiting import eventually
from tests.process.isolation.test_said_for import logged

THREADS = 8


def test_lines_of_threads_that_speak_at_once_are_whole_in_the_log(served: Callboard) -> None:
    before = len(served.worker_logs().splitlines())
    ids = served.send(*(actors.shout.message(number, 20) for number in range(THREADS)))
    assert {served.ended(id).state for id in ids} == {State.SUCCEEDED}

    def whole() -> bool:
        lines = served.worker_logs().splitlines()[before:]
        printed = [line for line in lines if line.startswith("<")]
        assert len(printed) == THREADS * 20 * 2
        assert all(line.endswith(">") and len(set(line[1:-1])) == 1 for line in printed), "a line that holds another's"
        assert lines.count("last, without an end") == THREADS
        assert sum(line["event"].startswith("logged") for line in logged(served, before)) == THREADS * 20
        assert not [line for line in lines if "logged" in line and not (line.startswith("{") and line.endswith("}"))]
        return True

    eventually(whole)


def test_no_message_is_longer_than_what_the_kernel_writes_in_one_step_nor_ends_within_a_character() -> None:
    text = "".join(chr(code) for code in (*range(32, 127), 0xE4, 0x20AC, 0x1F600)) * 1000
    parts = list(pieces(text.encode()))
    assert max(map(len, parts)) <= PIECE < 4096
    assert "".join(part.decode() for part in parts) == text
    assert list(pieces(b"")) == []


def test_a_line_begun_by_one_thread_is_not_ended_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = Pipe(duplex=False)
    stream = StreamablePipe(writer)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    capture.install(lambda: None)
    try:
        print("mine: ", end="")
        other = threading.Thread(target=print, args=["another's"])
        other.start()
        other.join()
        print("still mine", end="")
        sys.stdout.flush()
        assert isinstance(getattr(sys.stdout, "stream", None), LinePipe)
    finally:
        capture.uninstall()
    assert [reader.recv_bytes() for _ in range(2)] == [b"another's\n", b"mine: still mine\n"]
    assert not reader.poll()
