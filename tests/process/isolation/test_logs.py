"""An actor's log and output are stored per attempt, in order, within a second, bounded, and never lost at the end."""

from __future__ import annotations

import time

from src.jobs import State
from src.jobs.attempts import attempt_logs
from src.jobs.attempts.log_lines import LINE_LIMIT, Lines
from tests.actors import isolation as actors
from tests.harness.callboard import Callboard
from tests.harness.waiting import eventually

SAID = [
    (1, 1, "stdout", "first, printed"),
    (1, 2, "info", "second, logged with arguments"),
    (1, 3, "warning", "third answer=42"),
    (1, 4, "stderr", "fourth, to stderr"),
    (1, 5, "stdout", "fifth, in parts \\x00 \\ud800 é"),
]


def test_log_lines_of_an_actor_keep_their_order_and_are_visible_while_it_runs(served: Callboard) -> None:
    (id,) = served.send(actors.talk.message(4))
    eventually(lambda: served.job(id).state is State.RUNNING, deadline_s=20)
    running_since = time.monotonic()

    eventually(lambda: len(served.log_of(id)) == 6, what="the lines are there")

    assert time.monotonic() - running_since < 3
    assert served.job(id).state is State.RUNNING
    job = served.ended(id)
    said = served.log_of(id)
    assert said[:5] == SAID
    assert said[5][:3] == (1, 6, "error")
    assert said[5][3].startswith("sixth\nTraceback")
    assert said[5][3].endswith("ValueError: sixth's trouble")
    assert said[6:] == [(1, 7, "stdout", "last, without an end")]
    with served.database.read() as session:
        assert [line.number for line in attempt_logs.read(session, job.seq, after=(1, 5))] == [6, 7]
    # And it still goes where it went before.
    eventually(lambda: "first, printed" in served.worker_logs())
    eventually(lambda: "second, logged with arguments" in served.worker_logs())


def test_the_log_of_a_short_attempt_is_there_when_its_end_is(served: Callboard) -> None:
    failed, coroutine = served.send(actors.talk_and_fail.message(), actors.talk_in_a_coroutine.message())

    assert served.ended(failed).state is State.DEAD
    assert served.log_of(failed) == [(1, 1, "stdout", "before the failure")]
    assert served.ended(coroutine).state is State.SUCCEEDED
    assert served.log_of(coroutine) == [(1, 1, "stdout", "from a coroutine")]


def test_a_log_that_is_too_long_is_cut_off_with_a_note(served: Callboard) -> None:
    (id,) = served.send(actors.chatter.message(5_000))

    assert served.ended(id).state is State.SUCCEEDED
    said = served.log_of(id)
    assert [text for _, _, _, text in said[:99]] == [str(number) for number in range(99)]
    assert [(number, level) for _, number, level, _ in said[99:]] == [(100, "notice")]
    assert "100 lines" in said[99][3]


def test_lines_are_cut_numbered_and_taken_once() -> None:
    lines = Lines()
    lines.write("stdout", "a\r\nb\nc")
    lines.add("info", "x" * (LINE_LIMIT + 5))
    assert [(line.number, line.text[:3]) for line in lines.take()] == [(1, "a"), (2, "b"), (3, "xxx")]
    # The writer that took the first three may not have written them when the attempt ends.
    assert [(line.number, line.text[:3]) for line in lines.pending()] == [(1, "a"), (2, "b"), (3, "xxx"), (4, "c")]
    assert [line.text for line in lines.take()] == ["c"]
    assert lines.take() == []


def test_an_endless_line_does_not_grow_in_memory() -> None:
    lines = Lines()
    for _ in range(200):
        lines.write("stdout", "y" * 5_000)
    kept = lines.pending()
    assert kept[-1].level == "notice"
    assert sum(len(line.text) for line in kept) < 300_000
    assert not any(lines._begun.values())
