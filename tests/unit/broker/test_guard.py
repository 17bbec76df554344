"""A scheduler that has lost a thread exits, so that its supervisor starts a new one; a loop's error is logged once per cause."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from src.broker.core.background import BackgroundLoop
from src.broker.core.log_throttle import LogThrottle
from src.broker.core.supervision import GUARDED, Guard, Progress, Supervised, VitalThreads
from src.scheduling.housekeeping import Chore
from src.scheduling.tick_follower import Follower
from src.settings import get_settings
from tests.harness.waiting import eventually

OUTAGE = OperationalError("SELECT 1", {}, psycopg.OperationalError("connection refused"))


class Lines:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, int, bool]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **fields: self.kept.append((level, event, fields.get("times", 1), "exc_info" in fields))


def test_the_guard_ends_the_process_when_a_thread_is_gone() -> None:
    ended: list[int] = []
    over = threading.Event()
    thread = threading.Thread(target=bool)
    thread.start()
    thread.join()

    def end(code: int) -> None:
        ended.append(code)
        over.set()

    Guard(lambda: [Supervised("follower", thread)], end=end).start()
    assert over.wait(30)
    assert ended == [GUARDED]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_clock_ends_the_process_when_its_guard_has_ended() -> None:
    ended: list[int] = []
    called = threading.Event()

    def find() -> list[Supervised]:
        called.set()
        raise RuntimeError("the guard's thread ends with this")

    guard = Guard(find, end=ended.append)
    guard.start()
    assert not guard.check()
    assert called.wait(30)
    eventually(guard.check, what="the clock notices it")
    assert ended[0] == GUARDED


def test_the_clock_ends_the_process_when_its_guard_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VitalThreads, "_sql_answers", lambda _self: True)  # no database in this tier
    monkeypatch.setenv("CALLBOARD_STUCK_AFTER", "1")
    get_settings.cache_clear()
    ended: list[int] = []
    stands, go_on = threading.Event(), threading.Event()

    def find() -> list[Supervised]:
        stands.set()
        go_on.wait(60)
        return []

    guard = Guard(find, end=ended.append)
    guard.start()
    try:
        assert stands.wait(30)
        eventually(guard.check, what="the clock notices it")
        assert ended[0] == GUARDED
    finally:
        go_on.set()
        guard.close()
        get_settings.cache_clear()


def test_a_thread_may_have_a_limit_of_its_own() -> None:
    clean_up = Supervised("tidy", threading.current_thread(), Progress(), limit_s=3_600)
    vital = VitalThreads(lambda: [clean_up])
    assert [vital.check(1) for _ in range(100)] == [None] * 100


def test_a_chore_that_fails_goes_on_and_one_that_has_not_begun_is_no_thread_yet() -> None:
    outcomes = iter([ValueError("x"), None])

    def do() -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    chore = Chore("tidy", do, every_s=1)
    assert chore.threads() == []
    chore()
    chore()
    [mine] = chore.threads()
    assert (mine.name, mine.thread, mine.progress is not None and mine.progress.is_waiting) == ("tidy", threading.current_thread(), True)


def test_a_follower_names_its_thread() -> None:
    assert [each.name for each in Follower(lambda *_: None).loop().threads()] == ["follower"]  # type: ignore[arg-type]


def test_a_loop_goes_on_after_a_failure_and_ends_when_it_is_closed() -> None:
    lines, turns, again = Lines(), [], threading.Event()

    def do() -> None:
        turns.append(1)
        if len(turns) > 1:
            again.set()
        raise ValueError("x")

    loop = BackgroundLoop("loop", do, lines, interval=lambda: 0.001)
    loop.start()
    assert again.wait(30)
    loop.close()
    [mine] = loop.threads()
    assert (mine.name, mine.thread.is_alive()) == ("loop", False)
    assert lines.kept[:2] == [("error", "loop_failed", 1, True), ("error", "loop_failed", 2, True)]


def test_an_error_of_a_loop_is_logged_once_per_cause_with_its_count_and_anew_after_a_success() -> None:
    lines, causes = Lines(), LogThrottle()
    for _ in range(100):
        causes.failed(lines, OUTAGE, waits="loop_waits_for_sql", broke="loop_failed")
        causes.failed(lines, ValueError("x"), waits="loop_waits_for_sql", broke="loop_failed")
    assert [(level, times, traced) for level, event, times, traced in lines.kept if event == "loop_failed"] == [
        ("error", times, True) for times in (1, 2, 4, 8, 16, 32, 64)
    ]
    assert [(level, traced) for level, event, _, traced in lines.kept if event == "loop_waits_for_sql"] == [("warning", False)]
    lines.kept.clear()
    causes.passed()
    causes.failed(lines, OUTAGE, waits="loop_waits_for_sql", broke="loop_failed")
    causes.failed(lines, ValueError("x"), waits="loop_waits_for_sql", broke="loop_failed")
    assert [event for _, event, _, _ in lines.kept] == ["loop_waits_for_sql", "loop_failed"]  # another outage, another fault


def test_a_success_of_one_schedule_says_nothing_of_another() -> None:
    lines, causes = Lines(), LogThrottle()
    for about in ("1: ", "12: "):
        causes.failed(lines, ValueError("x"), waits="tick_waits", broke="tick_failed", about=about)
    causes.passed(about="1: ")
    for about in ("1: ", "12: "):
        causes.failed(lines, ValueError("x"), waits="tick_waits", broke="tick_failed", about=about)
    assert [times for _, _, times, _ in lines.kept] == [1, 1, 1, 2]
