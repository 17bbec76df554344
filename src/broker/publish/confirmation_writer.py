"""Confirmation writer: records publisher confirms in SQL, all that arrived meanwhile in one commit."""

from __future__ import annotations

import queue
import threading
import time
from functools import partial

from ...jobs.core.envelopes import Envelope
from ...jobs.relay.confirmations import mark_published
from ...logs import get_logger
from ...settings import get_settings
from ...sql.database import get_database
from ...sql.outages import is_outage
from ..core.connections import pauses
from ..core.supervision import Progress, Supervised

log = get_logger(__name__)

#: confirmations buffered while SQL is away; a lost one costs a second copy of a message, which starts nothing
LIMIT = 50_000
#: confirmations per commit, to keep it short
TOGETHER = 1_000
#: Seconds in which confirms are collected for one commit. It should not compete with submitters for disk and interpreter. A job that has
#: started by then needs no confirmation, and a late or missing one costs nothing until its row's grace period is over.
COLLECT_S = 0.25


class ConfirmationWriter:
    """Buffers confirmed envelopes, writes one UPDATE per batch."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[list[Envelope] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._progress = Progress()
        self._thread = threading.Thread(target=self._run, name="confirmations", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def threads(self) -> list[Supervised]:
        """Return the threads that this process cannot do without."""
        return [Supervised("confirmations", self._thread, self._progress, has_work=lambda: not self._queue.empty())]

    def put(self, confirmed: list[Envelope]) -> None:
        """Accept confirmed envelopes; returns at once."""
        if confirmed:
            self._queue.put(confirmed)

    def close(self) -> None:
        """Write the remaining confirmations and end."""
        self._closing.set()
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            self._progress.waits()
            batch = self._queue.get()
            self._progress.step()
            if batch is None:
                return
            self._closing.wait(min(COLLECT_S, get_settings().publish_grace / 8))
            ending = False
            while not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    ending = True
                    break
                batch = batch + more
            batch = batch[-LIMIT:]
            for start in range(0, len(batch), TOGETHER):
                self._write(batch[start : start + TOGETHER])
            if ending:
                return

    def _write(self, batch: list[Envelope]) -> None:
        for pause in pauses():
            self._progress.step()
            try:
                get_database().direct.write(partial(mark_published, published=batch), flush=False)
                return
            except Exception as error:
                if not is_outage(error):
                    log.exception("confirmations_not_written", jobs=len(batch))
                    return  # the relay publishes these again, and the copies start nothing
                time.sleep(pause)
