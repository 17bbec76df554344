"""Threads of the web front end: one for each request at a time up to the limit, and none before the first request."""

from __future__ import annotations

import threading

from src.up.web_server import Views
from tests.harness.waiting import eventually


class Request:
    """A request that runs until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def service(self) -> None:
        self.begun.set()
        self.go.wait(30)

    def cancel(self) -> None: ...


def test_each_request_gets_a_thread_up_to_the_limit() -> None:
    views = Views(3)
    assert not views.threads
    requests = [Request() for _ in range(5)]
    for each in requests:
        views.add_task(each)
    assert all(each.begun.wait(10) for each in requests[:3])
    assert len(views.threads) == 3
    for each in requests:
        each.go.set()
    assert all(each.begun.wait(10) for each in requests)

    again = Request()
    again.go.set()
    eventually(lambda: views.active_count == 0, deadline_s=10)
    views.add_task(again)
    assert again.begun.wait(10)
    assert len(views.threads) == 3  # an idle thread takes it

    views.stop()
    eventually(lambda: not views.threads, deadline_s=10)
