"""A worker that cannot start ends when Dramatiq's main process has read why."""

from __future__ import annotations

import logging
import multiprocessing
import threading

from dramatiq.compat import StreamablePipe

from src.broker.process import boot


def test_the_last_lines_are_read_before_the_end() -> None:
    reader, writer = multiprocessing.Pipe(duplex=False)
    handler = logging.StreamHandler(StreamablePipe(writer))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        root.critical("cannot start")
        ending = threading.Thread(target=boot._let_logs_be_read)
        ending.start()
        ending.join(0.1)
        was_waiting = ending.is_alive()
        assert "cannot start" in reader.recv_bytes().decode()
        ending.join(60)
    finally:
        root.removeHandler(handler)
        reader.close()
        writer.close()
    assert was_waiting
    assert not ending.is_alive()
