"""What RabbitMQ itself says: is it there, which version, and its own numbers of each queue, to stand beside SQL's.

Read from the management API where one is configured (CALLBOARD_MANAGEMENT_URL, with the broker URL's user); else only
whether AMQP answers at all. Never raises, and is asked at most every two seconds.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import pika
import pika.exceptions

from src.broker import topology
from src.broker.connections import answered, parameters
from src.logs import get_logger
from src.settings import get_settings

log = get_logger(__name__)
Number = TypeVar("Number", int, float)

#: seconds an answer is good for
FRESH_S = 2.0
#: seconds after which a page waits for a new answer
OLD_S = 10.0
#: seconds the management API may take
TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class QueueNumbers:
    """RabbitMQ's own numbers of one queue; None: not known."""

    ready: int
    unacked: int | None
    consumers: int
    in_rate: float | None = None  # messages a second
    out_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """RabbitMQ at a glance."""

    reachable: bool
    version: str = ""
    queues: dict[str, QueueNumbers] = field(default_factory=dict)
    is_counted: bool = False  # `queues` has all there are

    def of(self, queue: str) -> QueueNumbers | None:
        """The numbers of the queues that together are one Dramatiq queue; None: RabbitMQ has none of them, or they are not known."""
        found = [self.queues[name] for name in topology.queues_of(queue) if name in self.queues]
        if not found:
            return None
        return QueueNumbers(
            sum(each.ready for each in found),
            _total([each.unacked for each in found]),
            # Each consumer takes from all of them.
            max(each.consumers for each in found),
            _total([each.in_rate for each in found]),
            _total([each.out_rate for each in found]),
        )


_lock = threading.Lock()
_asking: threading.Thread | None = None
_answer = Overview(False)
_answered = 0.0


def overview() -> Overview:
    """RabbitMQ's numbers, hardly older than two seconds while somebody looks all the time, and never older than ten.

    A page does not wait for RabbitMQ while there is an answer from a moment ago: it gets that one, and the next page a new one.
    """
    global _asking
    with _lock:
        age = time.monotonic() - _answered if _answered else float("inf")
        if age <= FRESH_S:
            return _answer
        if _asking is None or not _asking.is_alive():
            _asking = threading.Thread(target=_look, name="broker look", daemon=True)
            _asking.start()
        asking = _asking
    if age > OLD_S:
        asking.join()
    return _answer


def _look() -> None:
    global _answer, _answered
    answer = _ask()
    with _lock:
        _answer, _answered = answer, time.monotonic()


def _forget_parents() -> None:
    """In a forked child: the thread that asked, or held the lock, is not there."""
    global _lock, _asking
    _lock, _asking = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_parents)


def _ask() -> Overview:
    try:
        if get_settings().management_url:
            return _from_management()
    except (OSError, ValueError, KeyError, urllib.error.URLError) as error:
        log.debug("management_unavailable", detail=type(error).__name__)
    try:
        return _from_amqp()
    except (pika.exceptions.AMQPError, OSError, ValueError):
        return Overview(False)


def _from_management() -> Overview:
    version = str(_get("/api/overview")["rabbitmq_version"])
    vhost = urlsplit(get_settings().broker_urls[0]).path.lstrip("/") or "/"
    columns = "name,messages_ready,messages_unacknowledged,consumers,message_stats"
    listed = _get(f"/api/queues/{quote(unquote(vhost), safe='')}?columns={columns}")
    return Overview(
        True,
        version,
        {
            queue["name"]: QueueNumbers(
                queue.get("messages_ready", 0),
                queue.get("messages_unacknowledged"),
                queue.get("consumers", 0),
                _rate(queue, "publish_details"),
                _rate(queue, "deliver_get_details"),
            )
            for queue in listed
        },
        is_counted=True,
    )


def _total(values: list[Number | None]) -> Number | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def _rate(queue: Any, details: str) -> float | None:
    rate = (queue.get("message_stats") or {}).get(details, {}).get("rate")
    return None if rate is None else float(rate)


def _get(path: str) -> Any:
    broker = urlsplit(get_settings().broker_urls[0])
    credentials = f"{unquote(broker.username or 'guest')}:{unquote(broker.password or 'guest')}"
    request = urllib.request.Request(get_settings().management_url.rstrip("/") + path)
    request.add_header("Authorization", "Basic " + base64.b64encode(credentials.encode()).decode())
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def _from_amqp() -> Overview:
    connection = pika.BlockingConnection(parameters("overview"))
    try:
        version = connection._impl.server_properties.get("version", "")
        return Overview(True, version.decode() if isinstance(version, bytes) else str(version))
    finally:
        with answered(connection, "close"):
            connection.close()
