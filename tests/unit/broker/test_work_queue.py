"""The queue between consumers and threads: in order, for every waiting thread, and without loss."""

from __future__ import annotations

import threading
from queue import Empty
from typing import Any

import pytest

from src.broker.consume.work_queue import WorkQueue
from tests.harness.waiting import eventually


def test_urgent_jobs_come_first_and_of_equal_ones_the_oldest() -> None:
    queue: Any = WorkQueue()
    queue.put_many([(1, "b"), (0, "a"), (1, "c")])
    queue.put_many([(0, "d")])

    assert [queue.get_nowait() for _ in range(4)] == ["a", "d", "b", "c"]
    with pytest.raises(Empty):
        queue.get(timeout=0.001)


def test_as_many_waiting_threads_start_as_there_are_jobs() -> None:
    queue: Any = WorkQueue()
    got: list[str] = []
    hold = threading.Event()

    def work() -> None:
        got.append(queue.get(timeout=30))
        hold.wait(30)  # as a thread that runs a long job: the others must not wait for it

    threads = [threading.Thread(target=work) for _ in range(3)]
    for one in threads:
        one.start()
    eventually(lambda: len(queue._idle) == 3)
    queue.put_many([(0, "a"), (0, "b"), (0, "c")])

    eventually(lambda: sorted(got) == ["a", "b", "c"])
    hold.set()
    for one in threads:
        one.join()


def test_a_thread_that_gave_up_waiting_takes_no_call_from_another() -> None:
    queue: Any = WorkQueue()
    with pytest.raises(Empty):
        queue.get(timeout=0.001)
    got: list[str] = []
    waiting = threading.Thread(target=lambda: got.append(queue.get(timeout=30)))
    waiting.start()
    eventually(lambda: len(queue._idle) == 1)

    queue.put_many([(0, "a")])
    waiting.join(30)

    assert got == ["a"]


def test_jobs_are_taken_out_and_the_rest_keeps_its_order() -> None:
    queue: Any = WorkQueue()
    queue.put_many([(0, "late"), (1, "a"), (0, "b"), (0, "late")])

    assert queue.take_out(lambda one: one == "late") == ["late", "late"]
    assert [queue.get_nowait() for _ in range(2)] == ["b", "a"]


def test_the_end_of_the_process_wakes_all_threads() -> None:
    queue: Any = WorkQueue()
    ended: list[int] = []

    def work() -> None:
        with pytest.raises(Empty):
            queue.get(timeout=3600)
        ended.append(1)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for one in threads:
        one.start()
    eventually(lambda: len(queue._idle) == 3)
    queue.close()

    eventually(lambda: len(ended) == 3)
    with pytest.raises(Empty):
        queue.get(timeout=3600)
