"""Server-sent events of the fleet: one thread per web process reads them, and feeds the open streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from ...logs import get_logger
from ...operations.fleet.fleet_events import Cursor, EventFilter, FleetEvent, Journal
from ...operations.people import caller
from ...sql import database, outages
from ...sql.clock import now
from .stream_room import StreamRoom

log = get_logger(__name__)

#: poll interval in seconds
LOOK_INTERVAL_S = 0.5
#: maximum open streams per web process, besides those of jobs and workflows: each holds a thread
MAX_STREAMS = 6
#: events that wait for a slow reader; then they are dropped, and `resync` says so
MOST_WAITING = 5_000


class Feed:
    """One stream's events that it has not sent yet, each with the cursor behind it."""

    def __init__(self, filter: EventFilter) -> None:
        self._filter = filter
        self._changed = threading.Condition()
        self._waiting: list[tuple[FleetEvent, Cursor]] = []

    def put(self, events: list[FleetEvent], before: Cursor, cursor: Cursor) -> None:
        """Add the events of one poll that the filter takes."""
        # Only the last one moves the reader on: a stream that ends in between must repeat the poll, not lose its rest.
        taken = [(event, before) for event in events if self._filter.takes(event)]
        if not taken:
            return
        taken[-1] = taken[-1][0], cursor
        with self._changed:
            self._waiting += taken
            if len(self._waiting) > MOST_WAITING:
                lost = len(self._waiting)
                self._waiting = [(FleetEvent("resync", f"resync:slow:{cursor}", now(), {"kind": "slow reader", "lost": lost}), cursor)]
            self._changed.notify()

    def next(self, timeout: float) -> list[tuple[FleetEvent, Cursor]]:
        """Wait for events; empty after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting), timeout)
            found, self._waiting = self._waiting, []
            return found


class FleetTailer:
    """The thread that reads events while a stream is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._room = StreamRoom()
        self._feeds: list[Feed] = []
        self._running = False

    @contextmanager
    def feed(self, filter: EventFilter, *, after: Cursor | None = None) -> Iterator[Feed]:
        """Feed a stream with events from now on, or after a cursor. Raises TooManyStreams."""
        with self._room.enter(MAX_STREAMS), self._fed(Feed(filter), after) as feed:
            yield feed

    @contextmanager
    def _fed(self, feed: Feed, after: Cursor | None) -> Iterator[Feed]:
        with self._lock:
            self._feeds.append(feed)  # before its own poll: nothing in between is lost
            is_first = not self._running
        try:
            if is_first:
                self._start(_journal_of_now())
            if after is not None:
                caught_up = Journal(after)
                with database.read() as session:
                    events = caught_up.look(session)
                feed.put(events, after, caught_up.cursor)
            yield feed
        finally:
            with self._lock:
                self._feeds.remove(feed)

    def _start(self, journal: Journal) -> None:
        with self._lock:
            if not self._running:
                self._running = True
                threading.Thread(target=self._follow, args=(journal,), name="fleet_events", daemon=True).start()

    def _follow(self, journal: Journal) -> None:
        while True:
            with self._lock:
                if not self._feeds:
                    self._running = False
                    return
                feeds = list(self._feeds)
            self._look(journal, feeds)
            time.sleep(LOOK_INTERVAL_S)

    def _look(self, journal: Journal, feeds: list[Feed]) -> None:
        before = journal.cursor
        try:
            with database.read() as session:
                events = journal.look(session)
        except SQLAlchemyError as error:
            # Keep the streams open: the next poll reads from the same cursor.
            outages.log_outage(log, "fleet_events_database_away", error)
            return
        outages.outage_over("fleet_events_database_away")
        for feed in feeds:
            feed.put(events, before, journal.cursor)


def _journal_of_now() -> Journal:
    """Return the journal of every stream, which has read all up to now. The reader that opens the first one may see less than others."""
    with caller.unlimited(), database.read() as session:
        journal = Journal(Cursor.present(session))
        journal.look(session)  # the events of the seconds before, which are not wanted
    return journal


tailer = FleetTailer()
