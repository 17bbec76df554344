"""Dramatiq's own features: pipelines, groups, completion callbacks, rate limits and barriers, on real workers."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from pathlib import Path

import dramatiq
import pytest
from dramatiq import group, pipeline
from dramatiq.rate_limits import Barrier
from dramatiq.results import ResultMissing, ResultTimeout
from sqlalchemy import func, select

from src.jobs import State
from src.jobs.control import actions
from src.jobs.core.models import Job
from src.jobs.core.workflow_models import MessageGroup
from src.jobs.read.queries import find_many
from tests.actors import workflows as actors
from tests.harness.callboard import Callboard
from tests.harness.jobs import look
from tests.harness.services import random_name
from tests.harness.waiting import eventually

WAIT_MS = 30_000


def ran(callboard: Callboard, message: dramatiq.Message[object]) -> bool:
    with callboard.database.read() as session:
        found = find_many(session, [message.message_id])
    return bool(found) and found[0].state is State.SUCCEEDED


def test_a_pipeline_passes_each_result_to_the_next_actor(callboard: Callboard) -> None:
    pipe = actors.plus.message(1, 2) | actors.plus.message(3) | actors.times.message(10)
    pipe.run()

    assert pipe.get_result(block=True, timeout=WAIT_MS) == 60
    assert list(pipe.get_results()) == [3, 6, 60]
    assert (pipe.completed, pipe.completed_count, len(pipe)) == (True, 3, 3)


def test_a_pipeline_that_has_not_run_is_not_completed(callboard: Callboard) -> None:
    pipe = pipeline([actors.slow.message(1, 1000), actors.times.message(2)]).run()

    assert (pipe.completed, pipe.completed_count) == (False, 0)
    with pytest.raises(ResultMissing):
        pipe.get_result()
    with pytest.raises(ResultTimeout):
        pipe.get_result(block=True, timeout=50)
    assert pipe.get_result(block=True, timeout=WAIT_MS) == 2


def test_a_pipeline_can_be_delayed(callboard: Callboard) -> None:
    begun = time.monotonic()
    pipe = pipeline([actors.plus.message(1, 1), actors.times.message(2)]).run(delay=1000)

    assert pipe.get_result(block=True, timeout=WAIT_MS) == 4
    assert time.monotonic() - begun >= 1


def test_a_delay_within_a_pipeline_holds_only_that_step(callboard: Callboard) -> None:
    pipe = pipeline([actors.plus.message(1, 1), actors.times.message_with_options(args=(2,), delay=1000)]).run()

    eventually(lambda: ran(callboard, pipe.messages[0]), deadline_s=30)
    assert not ran(callboard, pipe.messages[1])
    assert pipe.get_result(block=True, timeout=WAIT_MS) == 4


def test_pipe_ignore_keeps_the_result_from_the_next_actor(callboard: Callboard) -> None:
    pipe = actors.plus.message(1, 2) | actors.keep.message_with_options(args=("alone",), pipe_ignore=True)

    assert pipe.run().get_result(block=True, timeout=WAIT_MS) == ["alone"]


def test_pipelines_nest(callboard: Callboard) -> None:
    inner = pipeline([actors.plus.message(1, 1), actors.times.message(3)])

    assert pipeline([inner, actors.plus.message(4)]).run().get_result(block=True, timeout=WAIT_MS) == 10


def test_a_group_runs_side_by_side_and_collects_its_results(callboard: Callboard) -> None:
    many = group(actors.plus.message(number, 1) for number in range(8)).run()
    many.wait(timeout=WAIT_MS)

    assert list(many.get_results()) == list(range(1, 9))
    assert (many.completed, many.completed_count, len(many)) == (True, 8, 8)


def test_groups_hold_groups_and_pipelines(callboard: Callboard) -> None:
    pair = group([actors.plus.message(1, 1), actors.plus.message(2, 2)])
    many = group([pair, actors.plus.message(1, 0) | actors.times.message(7), actors.plus.message(5, 5)]).run()

    assert list(many.get_results(block=True, timeout=WAIT_MS)) == [[2, 4], 7, 10]


def test_a_group_can_be_delayed(callboard: Callboard) -> None:
    begun = time.monotonic()
    many = group([actors.plus.message(1, 1), actors.plus.message(2, 2)]).run(delay=1000)

    assert list(many.get_results(block=True, timeout=WAIT_MS)) == [2, 4]
    assert time.monotonic() - begun >= 1


def test_completion_callbacks_run_once_when_every_member_has_succeeded(callboard: Callboard) -> None:
    callbacks = [actors.keep.message("first"), actors.keep.message("second")]
    many = group([actors.shaky.message(1), actors.plus.message(1, 1) | actors.times.message(2), actors.slow.message(3)])
    for callback in callbacks:
        many.add_completion_callback(callback)
    many.run()

    for callback in callbacks:
        eventually(partial(ran, callboard, callback), deadline_s=30, what="the callback runs")
    assert many.completed
    started = [look(callboard.database, callback.message_id).created_at for callback in callbacks]
    ends = [look(callboard.database, child.message_id).finished_at for child in many.children if not isinstance(child, pipeline)]
    assert all(end is not None and end <= start for end in ends for start in started)


def test_a_dead_member_holds_the_completion_back_until_it_is_retried(callboard: Callboard, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    callback = actors.keep.message("done")
    member = actors.unless.message(str(broken), 1)
    many = group([member, actors.plus.message(1, 1)])
    many.add_completion_callback(callback)
    many.run()
    eventually(lambda: look(callboard.database, member.message_id).state is State.DEAD, deadline_s=30)
    eventually(lambda: ran(callboard, many.children[1]), deadline_s=30)
    with callboard.database.read() as session:
        assert find_many(session, [callback.message_id]) == []

    broken.unlink()
    with callboard.database.write() as session:
        actions.retry(session, member.message_id)
    eventually(lambda: ran(callboard, callback), deadline_s=30, what="the callback runs")


def test_a_group_within_a_transactional_actor_joins_its_transaction(callboard: Callboard) -> None:
    word = random_name("callback")
    assert actors.send_group.send([1, 2, 3], word).get_result(block=True, timeout=WAIT_MS) == 3

    def callbacks() -> int:
        with callboard.database.read() as session:
            return session.execute(
                select(func.count()).where(Job.actor == "keep", Job.state == State.SUCCEEDED, Job.args == [word])
            ).scalar_one()

    eventually(callbacks, deadline_s=30)
    assert callbacks() == 1
    with callboard.database.read() as session:
        expected = session.execute(
            select(func.count()).select_from(MessageGroup).where(MessageGroup.size == 3, MessageGroup.succeeded == 3)
        )
        assert expected.scalar_one() == 0


def test_a_concurrent_rate_limiter_is_a_mutex_over_the_fleet(callboard: Callboard, tmp_path: Path) -> None:
    many = group(actors.alone.message(str(tmp_path)) for _ in range(12)).run()

    assert len(set(many.get_results(block=True, timeout=60_000))) == 12
    assert not (tmp_path / "crowded").exists()


def test_a_bucket_rate_limiter_holds_over_the_fleet(callboard: Callboard) -> None:
    key = random_name("bucket")
    many = group(actors.in_bucket.message(key) for _ in range(6)).run()

    buckets = Counter(int(started) for started in many.get_results(block=True, timeout=60_000))
    assert sum(buckets.values()) == 6
    assert max(buckets.values()) <= 2 + 1  # the body reads its clock a moment after the limiter did


def test_a_window_rate_limiter_holds_over_the_fleet(callboard: Callboard) -> None:
    key = random_name("window")
    many = group(actors.in_window.message(key) for _ in range(6)).run()

    starts = sorted(many.get_results(block=True, timeout=60_000))
    assert all(third - first > 0.9 for first, third in zip(starts, starts[2:], strict=False))


def test_a_barrier_holds_actors_until_all_have_come(callboard: Callboard) -> None:
    key = random_name("barrier")
    assert Barrier(actors.backend, key, ttl=30_000).create(3)
    many = group(actors.meet.message(key, 3) for _ in range(3)).run()

    assert list(many.get_results(block=True, timeout=WAIT_MS)) == [True] * 3
