"""RabbitMQ's management API on several nodes: one that hangs only costs its own numbers, and no caller waits for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from src.broker.recover import broker_health, management
from src.broker.recover.management import NodeState, Overview
from src.jobs.alerts.models import AlertKind
from src.jobs.core.models import Heartbeat
from src.settings import get_settings
from tests.harness.waiting import eventually

NODES: list[dict[str, Any]] = [
    {"name": "rabbit@b", "running": True, "mem_alarm": True, "disk_free_alarm": False},
    {"name": "rabbit@a", "running": True, "mem_alarm": False, "disk_free_alarm": False},
    {"name": "rabbit@c", "running": False},
]
QUEUES = [{"name": "default", "messages_ready": 3, "messages_unacknowledged": 1, "consumers": 2, "policy": "work"}]


class Api(ThreadingHTTPServer):
    """The management API of one node; while `hangs` is set it answers nothing, as a node whose process stands still."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.nodes_status = 200
        self.raw: bytes | None = None  # written instead of any answer
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append(path)
        self.server.may_go_on.wait(60)
        if self.server.raw is not None:
            self.wfile.write(self.server.raw)
            return
        found: Any = NODES if path == "/api/nodes" else QUEUES if path.startswith("/api/queues") else {"rabbitmq_version": "4.1.0"}
        self.send_response(self.server.nodes_status if path == "/api/nodes" else 200)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[Api]]]:
    """Start so many nodes, which CALLBOARD_MANAGEMENT_URL names in this order."""
    started: list[Api] = []

    def start(number: int) -> list[Api]:
        started.extend(Api() for _ in range(number))
        monkeypatch.setenv("CALLBOARD_MANAGEMENT_URL", " ; ".join(f"{each.url}/" for each in started))
        get_settings.cache_clear()
        return started

    monkeypatch.setattr(management, "_look", management._Look())
    monkeypatch.setattr(management, "_short_look", management._Look(counts=False))
    monkeypatch.setattr(management, "TIMEOUT_S", 0.2)
    yield start
    for each in started:
        each.may_go_on.set()
    for asking in (management._look.thread, management._short_look.thread):
        if asking is not None:
            asking.join()
    for each in started:
        each.shutdown()
        each.server_close()
    monkeypatch.undo()
    get_settings.cache_clear()


def test_a_node_that_hangs_is_named_and_another_one_answers(nodes: Callable[[int], list[Api]]) -> None:
    first, second, third = nodes(3)
    first.may_go_on.clear()
    eventually(lambda: management.overview(within_s=0, wait_s=5).silent, deadline_s=20)
    seen = management.overview()
    assert (seen.reachable, seen.version, seen.is_counted) == (True, "4.1.0", True)
    assert seen.silent == (first.url.removeprefix("http://"),)
    numbers = seen.of("default")
    assert numbers is not None
    assert (numbers.ready, numbers.unacked, numbers.consumers) == (3, 1, 2)
    assert seen.queues["default"].policy == "work"
    assert "/api/whoami" in third.asked  # it is asked too, to see that it is alive
    assert management._look.first == 1  # the next query begins with the one that answered
    assert second.asked[0] == "/api/overview"


def test_no_caller_waits_for_nodes_that_hang(nodes: Callable[[int], list[Api]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "TIMEOUT_S", 30.0)
    [only] = nodes(1)
    only.may_go_on.clear()
    for _ in range(3):
        found = management.overview(wait_s=0.01)
        assert (found.reachable, found.is_known) == (False, False)
    look = management._look
    assert look.thread is not None
    assert look.thread.is_alive()  # they got their answers while it still asks
    look.asked_at -= management.LOST_S
    look.answer, look.answered_at = Overview(True, "4.1.0"), look.asked_at
    assert management.overview(wait_s=0.01).reachable is False  # an earlier answer does not count for ever


OK = b"HTTP/1.0 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"AMQP\x00\x00\x09\x01",
        b"",
        b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{",
        *(OK + body for body in (b"<p>", b"[]", b"null", b'"x"', b"[" * 5_000)),
    ],
    ids=lambda raw: ascii(raw)[2:40],
)
def test_another_service_at_the_address_is_a_node_that_does_not_answer(
    nodes: Callable[[int], list[Api]], monkeypatch: pytest.MonkeyPatch, raw: bytes
) -> None:
    """The thread that asks ended, and the last good answer stood for ever."""
    monkeypatch.setattr(management, "_from_amqp", lambda: Overview(False))
    [only] = nodes(1)
    assert management.overview(wait_s=10).reachable
    only.raw = raw

    eventually(lambda: not management.overview(within_s=0).reachable, deadline_s=20)

    assert management.overview().silent == (only.url.removeprefix("http://"),)


@pytest.mark.long
def test_alarms_and_nodes_that_do_not_run_are_troubles_in_a_sentence(nodes: Callable[[int], list[Api]]) -> None:
    [only] = nodes(1)
    seen = management.overview(wait_s=10)
    assert seen.nodes == (NodeState("rabbit@a", True), NodeState("rabbit@b", True, ("memory",)), NodeState("rabbit@c", False))
    assert [(each.kind, each.text, each.stops_publishing) for each in broker_health.of(seen, [])] == [
        (AlertKind.BROKER_ALARM, "RabbitMQ takes no messages: memory alarm on node rabbit@b", True),
        (AlertKind.NODE_AWAY, "RabbitMQ node rabbit@c does not run", False),
    ]
    only.nodes_status = 401
    eventually(lambda: not management.overview(within_s=0).nodes, deadline_s=20)  # a user without the tag `monitoring`
    assert management.overview().is_counted


def test_a_check_for_alerts_asks_for_no_numbers_of_queues(nodes: Callable[[int], list[Api]]) -> None:
    [only] = nodes(1)
    seen = management.overview(wait_s=10, counts=False)
    assert (seen.reachable, seen.version, seen.is_counted, len(seen.nodes)) == (True, "4.1.0", False, 3)
    assert only.asked == ["/api/overview", "/api/nodes"]
    assert management.overview(wait_s=10).is_counted


def test_what_publishers_have_met_is_the_second_source() -> None:
    def beat(name: str, broker: str) -> Heartbeat:
        return Heartbeat(role="relay", name=name, broker=broker)

    fine = Overview(True, "4.1.0")
    assert broker_health.of(fine, [beat("web-1:7", "")]) == []
    blocked = broker_health.of(fine, [beat("web-1:7", "alarm: low on disk"), beat("web-2:7", "alarm: low on disk")])
    assert [(each.kind, each.text) for each in blocked] == [(AlertKind.BROKER_ALARM, "RabbitMQ takes no messages: alarm, low on disk")]
    assert [each.text for each in broker_health.of(fine, [beat("web-1:7", "away")])] == ["RabbitMQ cannot be reached by web-1:7"]
    assert [each.text for each in broker_health.of(fine, [], own="away")] == ["RabbitMQ cannot be reached by this process"]
    assert [each.text for each in broker_health.of(Overview(False), [beat("web-1:7", "away")])] == ["RabbitMQ cannot be reached"]
    assert broker_health.of(Overview(False, is_known=False), []) == []
