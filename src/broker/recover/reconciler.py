"""The reconciler: finds queued jobs whose message the broker cannot have, and has them published again.

A queue may be purged or deleted by hand, or the whole broker wiped. A confirmed message of a job that has waited for a
while counts as lost in three cases: its queue is missing or empty; the queue, plus all that its consumers may have
prefetched, holds fewer messages than waiting jobs; messages published well after its own have been claimed (queues are
first in, first out). Publishing once too often is harmless: the first copy to be claimed wins.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import pika
import pika.exceptions

from ...hooks import Hook
from ...jobs.relay import lost_messages
from ...logs import get_logger
from ...settings import get_settings
from ...sql.clock import now
from ...sql.database import read, write
from ..consume.consumer import DEEP_PREFETCH
from ..core import topology
from ..core.background import BackgroundLoop
from ..core.connections import answered, parameters
from ..core.pace import Pace
from ..core.supervision import Supervised

log = get_logger(__name__)

#: seconds of a scan of all waiting jobs that are not worth a longer pause
FREE_S = 0.1


#: called in each iteration: watches the fleet while no scheduler does
fleet_watch: Hook[Callable[[], object]] = Hook("fleet watch")


class Holding(NamedTuple):
    """Messages ready in the queues of one Dramatiq queue, and the number of their consumers."""

    ready: int
    consumers: int


class Reconciler:
    """Compares SQL with the broker every `reconcile_interval` seconds, in its own thread: a slow broker must not delay the relay."""

    def __init__(self) -> None:
        self._loop = BackgroundLoop("reconciler", self._turn, log, interval=lambda: get_settings().reconcile_interval)
        self._pace = Pace(FREE_S)

    def start(self) -> None:
        fleet_watch.require()  # raises here: the thread would log it in each iteration and compare nothing
        self._loop.start()

    def threads(self) -> list[Supervised]:
        """Return the threads that this process cannot do without."""
        return self._loop.threads()

    def close(self) -> None:
        self._loop.close()

    def _turn(self) -> None:
        fleet_watch.part()
        if self._pace.is_due:
            self.run_once()

    def run_once(self) -> int:
        """Compare now; return how many jobs will be published again."""
        waiting_since = now() - timedelta(seconds=get_settings().reconcile_after)
        with self._pace.timing(), read() as session:
            waiting = lost_messages.waiting_since(session, waiting_since)
            frontier = lost_messages.frontiers(session)
        if not waiting:
            return 0
        try:
            holdings = _holdings(list(waiting))
        except (pika.exceptions.AMQPError, OSError):
            return 0
        again = 0
        for queue, count in waiting.items():
            with write() as session:
                if cannot_hold(holdings[queue], count):
                    found = lost_messages.publish_again(session, queue, waiting_since)
                elif queue in frontier:
                    found = lost_messages.publish_again(
                        session, queue, min(waiting_since, frontier[queue] - timedelta(seconds=get_settings().reconcile_after))
                    )
                else:
                    found = 0
            if found:
                log.warning("messages_missing", queue=queue, jobs=found, holds=holdings[queue])
            again += found
        return again


def cannot_hold(holding: Holding | None, waiting: int) -> bool:
    """True if a queue with so few messages cannot hold those of all waiting jobs."""
    # Messages prefetched by a worker are not ready, and a backlog always has some.
    return holding is None or holding.ready == 0 or holding.ready + holding.consumers * DEEP_PREFETCH < waiting


def _holdings(queues: list[str]) -> dict[str, Holding | None]:
    """Return the messages and consumers of each Dramatiq queue; None if its queues are gone."""
    found: dict[str, Holding | None] = {}
    connection = pika.BlockingConnection(parameters("reconciler"))
    try:
        for queue in queues:
            found[queue] = None
            for each in topology.queues_of(queue):
                with answered(connection, f"state of {each}"):
                    channel = connection.channel()
                    try:
                        method = channel.queue_declare(each, passive=True).method
                        channel.close()
                    except pika.exceptions.ChannelClosedByBroker as error:
                        if error.reply_code == 404:
                            continue
                        raise  # access refused: its state is unknown
                known = found[queue] or Holding(0, 0)
                found[queue] = Holding(known.ready + method.message_count, known.consumers + method.consumer_count)
    finally:
        if connection.is_open:
            with answered(connection, "close"):
                connection.close()
    return found
