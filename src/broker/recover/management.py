"""RabbitMQ's own state: reachable, version, nodes with their alarms, and its numbers of each queue, for comparison with SQL's.

Read from the management API if one is configured (CALLBOARD_MANAGEMENT_URL, with the broker URL's user); otherwise only
whether AMQP answers. Queried on its own thread at most every two seconds: no caller waits longer than it specifies.
Never raises.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import pika
import pika.exceptions

from ...logs import get_logger
from ...settings import get_settings
from ..core import topology
from ..core.connections import parameters

log = get_logger(__name__)
Number = TypeVar("Number", int, float)

#: seconds that an answer is fresh
FRESH_S = 2.0
#: seconds after which a page waits for a new answer
OLD_S = 10.0
#: seconds that it waits at most
WAIT_S = 2.5
#: seconds without an answer until RabbitMQ counts as away
LOST_S = 8.0
#: seconds that a node may take to answer
TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class QueueNumbers:
    """RabbitMQ's own numbers of one queue; None: unknown."""

    ready: int
    unacked: int | None
    consumers: int
    in_rate: float | None = None  # messages per second
    out_rate: float | None = None
    policy: str | None = None  # the policy in force; "": none


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node of RabbitMQ. `alarms`: resources it is low on (memory, disk), for which the whole cluster blocks publishers."""

    name: str
    is_running: bool
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """RabbitMQ at a glance."""

    reachable: bool
    version: str = ""
    queues: dict[str, QueueNumbers] = field(default_factory=dict)
    is_counted: bool = False  # `queues` is complete
    nodes: tuple[NodeState, ...] = ()  # of the cluster, or the hosts of CALLBOARD_BROKER_URL; () if neither is known
    silent: tuple[str, ...] = ()  # hosts of CALLBOARD_MANAGEMENT_URL that do not answer
    is_known: bool = True  # False: RabbitMQ has not answered yet since this process began to query it

    def of(self, queue: str) -> QueueNumbers | None:
        """Return the sum over the queues that make up one Dramatiq queue; None: RabbitMQ has none of them, or the numbers are unknown."""
        found = [self.queues[name] for name in topology.queues_of(queue) if name in self.queues]
        if not found:
            return None
        return QueueNumbers(
            sum(each.ready for each in found),
            _total([each.unacked for each in found]),
            # Each consumer consumes all of them.
            max(each.consumers for each in found),
            _total([each.in_rate for each in found]),
            _total([each.out_rate for each in found]),
        )


class _Look:
    """The last state of RabbitMQ, and the thread that asks for the next one. `counts`: with the numbers of queues."""

    def __init__(self, *, counts: bool = True) -> None:
        self._counts = counts
        self._lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.asked_at = 0.0
        self.answer = Overview(False, is_known=False)
        self.answered_at = 0.0
        self.first = 0  # index of the management URL that answered last

    def overview(self, *, within_s: float, wait_s: float) -> Overview:
        with self._lock:
            age = time.monotonic() - self.answered_at if self.answered_at else float("inf")
            if age <= FRESH_S:
                return self.answer
            if self.thread is None or not self.thread.is_alive():
                self.thread, self.asked_at = threading.Thread(target=self._ask, name="broker look", daemon=True), time.monotonic()
                self.thread.start()
            thread = self.thread
        if age > within_s:
            thread.join(wait_s)
        with self._lock:
            is_lost = thread.is_alive() and time.monotonic() - max(self.asked_at, self.answered_at) > LOST_S
            return replace(self.answer, reachable=False) if is_lost else self.answer

    def _ask(self) -> None:
        urls = get_settings().management_urls
        order = [(self.first + each) % len(urls) for each in range(len(urls))]
        silent: set[str] = set()
        while order and not self._try(urls[number := order.pop(0)], number, silent):
            pass
        if len(silent) == len(urls):
            self._note(_from_amqp(), silent)
        for number in order:  # the others are only asked whether they are alive
            _answers(urls[number], silent)
        self._note(self.answer, silent)

    def _try(self, url: str, number: int, silent: set[str]) -> bool:
        try:
            self._note(_from_management(url, counts=self._counts), silent | set(self.answer.silent))
            self.first = number
            return True
        except Exception as error:  # noqa: BLE001 - another service may be at this address: it may answer anything
            return _miss(url, silent, error)

    def _note(self, answer: Overview, silent: set[str]) -> None:
        with self._lock:
            self.answer, self.answered_at = replace(answer, silent=tuple(sorted(silent))), time.monotonic()

    def forget_thread(self) -> None:
        """In a forked child: the thread that asks, or held the lock, does not exist there."""
        self._lock, self.thread = threading.Lock(), None


_look, _short_look = _Look(), _Look(counts=False)
for _each in (_look, _short_look):
    os.register_at_fork(after_in_child=_each.forget_thread)


def overview(*, within_s: float = OLD_S, wait_s: float = WAIT_S, counts: bool = True) -> Overview:
    """Return RabbitMQ's state, about two seconds old at most while it is requested continually.

    A caller waits only if the last answer is older than `within_s`, and for `wait_s` at most; otherwise it gets the
    last answer, and the next caller a new one. Without `counts`, RabbitMQ needs a quarter of the CPU: its queues stay unknown.
    """
    return (_look if counts else _short_look).overview(within_s=within_s, wait_s=wait_s)


def _answers(url: str, silent: set[str]) -> bool:
    try:
        _get(url, "/api/whoami")
        return True
    except Exception as error:  # noqa: BLE001 - as in _try
        return _miss(url, silent, error)


def _miss(url: str, silent: set[str], error: Exception) -> bool:
    log.debug("management_unavailable", host=_host(url), detail=type(error).__name__)
    silent.add(_host(url))
    return False


def _from_management(url: str, *, counts: bool) -> Overview:
    version = str(_get(url, "/api/overview?disable_stats=true")["rabbitmq_version"])  # the totals of all queues cost more than the rest
    if not counts:
        return Overview(True, version, nodes=_nodes(url))
    vhost = urlsplit(get_settings().broker_urls[0]).path.lstrip("/") or "/"
    columns = "name,messages_ready,messages_unacknowledged,consumers,message_stats,policy"
    listed = _get(url, f"/api/queues/{quote(unquote(vhost), safe='')}?columns={columns}")
    return Overview(
        True,
        version,
        {
            str(queue["name"]): QueueNumbers(
                int(queue.get("messages_ready") or 0),
                None if (unacked := queue.get("messages_unacknowledged")) is None else int(unacked),
                int(queue.get("consumers") or 0),
                _rate(queue, "publish_details"),
                _rate(queue, "deliver_get_details"),
                str(queue.get("policy") or ""),
            )
            for queue in listed
        },
        is_counted=True,
        nodes=_nodes(url),
    )


def _nodes(url: str) -> tuple[NodeState, ...]:
    try:
        listed = _get(url, "/api/nodes?columns=name,running,mem_alarm,disk_free_alarm")
    except urllib.error.HTTPError as error:
        log.debug("nodes_unknown", status=error.code)  # the user lacks the tag `monitoring`
        return ()
    return tuple(
        NodeState(
            str(node["name"]),
            bool(node.get("running")),
            tuple(word for word, name in (("memory", "mem_alarm"), ("disk", "disk_free_alarm")) if node.get(name)),
        )
        for node in sorted(listed, key=lambda node: str(node["name"]))
    )


def _total(values: list[Number | None]) -> Number | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None


def _rate(queue: Any, details: str) -> float | None:
    rate = (queue.get("message_stats") or {}).get(details, {}).get("rate")
    return None if rate is None else float(rate)


def _get(url: str, path: str) -> Any:
    broker = urlsplit(get_settings().broker_urls[0])
    credentials = f"{unquote(broker.username or 'guest')}:{unquote(broker.password or 'guest')}"
    request = urllib.request.Request(url + path)
    request.add_header("Authorization", "Basic " + base64.b64encode(credentials.encode()).decode())
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def _host(url: str) -> str:
    return url.rsplit("@", 1)[-1].rsplit("//", 1)[-1]


def _from_amqp() -> Overview:
    """Connect to every host in turn to see whether it is alive, and its version."""
    version, nodes = "", []
    for one in _hosts():
        found = _version(one)
        version = found or version
        nodes.append(NodeState(f"{one.host}:{one.port}", found is not None))
    nodes.sort(key=lambda node: node.name)
    return Overview(any(node.is_running for node in nodes), version, nodes=tuple(nodes) if len(nodes) > 1 else ())


def _hosts() -> Sequence[pika.URLParameters]:
    try:
        return parameters("overview")
    except ValueError:
        return ()


def _version(one: pika.URLParameters) -> str | None:
    """Return the version of the RabbitMQ at this address; None: it does not answer."""
    one.socket_timeout, one.stack_timeout = TIMEOUT_S, TIMEOUT_S + 1
    found: list[str | bytes] = []

    def opened(connection: pika.SelectConnection) -> None:
        found.append(connection.server_properties.get("version", ""))
        connection.close()

    def ended(connection: pika.SelectConnection, _reason: BaseException) -> None:
        connection.ioloop.stop()

    try:
        connection = pika.SelectConnection(one, on_open_callback=opened, on_open_error_callback=ended, on_close_callback=ended)
        with closing(connection.ioloop) as loop:
            loop.call_later(TIMEOUT_S + 1, loop.stop)
            loop.start()
    except (pika.exceptions.AMQPError, OSError, ValueError):
        return None
    version = next(iter(found), None)
    return version.decode() if isinstance(version, bytes) else version
