"""What RabbitMQ itself says: is it there, which version, and its own numbers of each queue, to stand beside SQL's.

Read from the management API where one is configured (CALLBOARD_MANAGEMENT_URL, with the broker URL's user); else only
whether AMQP answers at all. Never raises, and is asked at most every two seconds.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pika
import pika.exceptions

from src.broker.connections import parameters
from src.logs import get_logger
from src.settings import get_settings

log = get_logger(__name__)

#: seconds an answer is good for
FRESH_S = 2.0
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


_lock = threading.Lock()
_answer = Overview(False)
_answered = 0.0


def overview() -> Overview:
    """RabbitMQ's numbers, at most two seconds old."""
    global _answer, _answered
    stale = not _answered or time.monotonic() - _answered > FRESH_S
    # One asks; the others make do with the last answer, so that a broker that hangs does not hang every page.
    if stale and _lock.acquire(blocking=not _answered):
        try:
            if not _answered or time.monotonic() - _answered > FRESH_S:
                _answer = _ask()
                _answered = time.monotonic()
        finally:
            _lock.release()
    return _answer


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
    )


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
        connection.close()
