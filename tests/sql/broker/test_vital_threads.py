"""Supervised threads: one that has ended or hangs is named; one that waits for work or for SQL is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from src.broker.core.supervision import Progress, Supervised, VitalThreads
from src.broker.recover.relay import Relay
from src.settings import get_settings
from src.sql.database import Database, use_database
from tests.harness.waiting import eventually


@pytest.fixture
def thread() -> Iterator[threading.Thread]:
    ending = threading.Event()
    living = threading.Thread(target=ending.wait, args=[60], daemon=True)
    living.start()
    yield living
    ending.set()
    living.join()


@pytest.mark.usefixtures("database")
def test_a_thread_that_has_ended_is_named(thread: threading.Thread) -> None:
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    vital = VitalThreads(lambda: [Supervised("lease", thread), Supervised("committer", ended)])

    assert vital.check(0.5) == ("committer", "has ended")


@pytest.mark.usefixtures("database")
def test_a_thread_that_stands_still_is_named_once_sql_answers(thread: threading.Thread) -> None:
    progress = Progress()
    vital = VitalThreads(lambda: [Supervised("relay", thread, progress)])

    for _ in range(29):  # the thirtieth asks SQL, which may answer at once
        assert vital.check(1.0) is None

    eventually(lambda: vital.check(0.5) is not None, what="SQL has answered")
    name, why = vital.check(0.5) or ("", "")
    assert (name, why.startswith("has made no progress for 3")) == ("relay", True)
    progress.step()
    assert vital.check(0.5) is None


@pytest.mark.usefixtures("database")
def test_a_thread_that_waits_for_work_may_stand_still(thread: threading.Thread) -> None:
    progress = Progress()
    progress.waits()
    vital = VitalThreads(lambda: [Supervised("committer", thread, progress)])

    assert [vital.check(1.0) for _ in range(100)] == [None] * 100


@pytest.mark.usefixtures("database")
def test_a_thread_that_waits_although_there_is_work_is_named(thread: threading.Thread) -> None:
    progress, work = Progress(), [1]
    progress.waits()
    vital = VitalThreads(lambda: [Supervised("committer", thread, progress, has_work=lambda: bool(work))])
    for _ in range(28):
        assert vital.check(1.0) is None
    work.clear()
    assert [vital.check(1.0) for _ in range(100)] == [None] * 100
    work.append(2)  # which gets the whole limit

    for _ in range(29):
        assert vital.check(1.0) is None
    eventually(lambda: vital.check(1.0) is not None, what="it is named")


@pytest.mark.both_stores
@pytest.mark.usefixtures("database")
def test_a_thread_that_waits_longer_than_for_its_next_turn_is_named(thread: threading.Thread) -> None:
    progress = Progress()
    progress.waits(10)
    vital = VitalThreads(lambda: [Supervised("reconciler", thread, progress)])

    for _ in range(39):
        assert vital.check(1.0) is None
    eventually(lambda: vital.check(1.0) is not None, what="it is named")


@pytest.mark.usefixtures("database")
def test_the_pause_of_a_suspended_process_is_not_taken_for_its_threads(thread: threading.Thread) -> None:
    vital = VitalThreads(lambda: [Supervised("relay", thread, Progress())])
    vital.check(0.5)

    assert vital.check(3600.0) is None


def test_a_thread_that_waits_for_a_database_which_hangs_is_not_at_fault(thread: threading.Thread) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts connections and never answers
        use_database(Database(f"postgresql://callboard@127.0.0.1:{mute.getsockname()[1]}/none"))
        vital = VitalThreads(lambda: [Supervised("committer", thread, Progress())])
        try:
            assert [vital.check(1.0) for _ in range(100)] == [None] * 100
        finally:
            use_database(None)


@pytest.mark.usefixtures("database")
def test_a_turn_that_is_rarer_than_the_limit_is_no_standstill(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECONCILE_INTERVAL", "RELAY_INTERVAL"):
        monkeypatch.setenv(f"CALLBOARD_{name}", "3000")
    get_settings.cache_clear()
    relay = Relay()
    relay.start()
    try:
        vital = VitalThreads(relay.threads)
        eventually(lambda: all(one.progress is not None and one.progress.is_waiting for one in relay.threads()))
        assert [vital.check(1.0) for _ in range(100)] == [None] * 100
    finally:
        relay.close()
