"""Retry decisions after a failed attempt (whether, how often, after which delay), and their execution by a worker."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import Any, ClassVar

import dramatiq
import pytest
from dramatiq import Actor
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import Retry
from hypothesis import given
from hypothesis import strategies as st

import src.actors
from src.broker.options.retries import DEFAULT_MAX_BACKOFF, DEFAULT_MAX_RETRIES, DEFAULT_MIN_BACKOFF, LONGEST_DELAY, Retries, decide
from src.jobs import Outcome, State
from src.sql.clock import now
from tests.actors import broker as actors
from tests.harness.callboard import Callboard

ERROR = ValueError("no")
#: two instants may be read before and after a correction of the shared clock
CLOCK_ERROR = timedelta(milliseconds=100)


def declared(**options: Any) -> Actor[Any, Any]:
    """An actor with these retry options."""

    def function() -> None: ...

    return Actor(
        function, broker=StubBroker(middleware=[Retries()]), actor_name="function", queue_name="default", priority=0, options=options
    )


def test_by_default_an_actor_is_retried_twenty_times() -> None:
    actor = declared()

    assert decide(actor, {}, DEFAULT_MAX_RETRIES - 1, ERROR).state is State.RETRYING
    last = decide(actor, {}, DEFAULT_MAX_RETRIES, ERROR)
    assert (last.state, last.exhausted, last.reason) == (State.DEAD, True, "retries exhausted (21 of 21 attempts)")


def test_the_messages_own_number_wins_over_the_actors() -> None:
    assert decide(declared(max_retries=5), {"max_retries": 1}, 1, ERROR).reason == "retries exhausted (2 of 2 attempts)"
    assert decide(declared(max_retries=0), {"max_retries": 1}, 0, ERROR).state is State.RETRYING


def test_no_limit_is_no_limit() -> None:
    decision = decide(declared(max_retries=None), {}, 10_000, ERROR)

    assert (decision.state, decision.reason) == (State.RETRYING, "retry 10001 after ValueError")


@pytest.mark.parametrize("throws", [ValueError, (KeyError, ValueError), [ValueError], Exception])
def test_an_exception_named_in_throws_is_not_retried(throws: Any) -> None:
    decision = decide(declared(throws=throws), {}, 0, ERROR)

    assert (decision.state, decision.exhausted, decision.reason) == (State.DEAD, False, "ValueError is not retried (throws)")
    assert decide(declared(throws=KeyError), {}, 0, ERROR).state is State.RETRYING


def test_the_actors_rule_decides_alone() -> None:
    seen: list[tuple[int, BaseException]] = []

    def rule(failures: int, error: BaseException) -> bool:
        seen.append((failures, error))
        return failures < 30

    actor = declared(retry_when=rule, max_retries=0)

    assert decide(actor, {}, 29, ERROR).state is State.RETRYING
    last = decide(actor, {}, 30, ERROR)
    assert (last.state, last.exhausted, last.reason) == (State.DEAD, True, "retry_when returned false after 31 attempts")
    assert seen == [(29, ERROR), (30, ERROR)]


@given(failures=st.integers(0, 10_000), least=st.integers(0, 10**9), most=st.integers(0, 10**15))
def test_backoff_grows_from_the_least_and_never_exceeds_the_most(failures: int, least: int, most: int) -> None:
    delay = decide(declared(max_retries=None, min_backoff=least, max_backoff=most), {}, failures, ERROR).delay_ms

    assert delay is not None
    assert 0 <= delay <= min(most, DEFAULT_MAX_BACKOFF)
    if least * 2 ** (failures + 1) <= min(most, DEFAULT_MAX_BACKOFF):
        assert least * 2**failures <= delay <= least * 2 ** (failures + 1)


def test_backoff_has_jitter_so_that_a_fleet_does_not_return_in_step() -> None:
    delays = {decide(declared(), {}, 0, ERROR).delay_ms for _ in range(50)}

    assert len(delays) > 10
    assert all(delay is not None and DEFAULT_MIN_BACKOFF <= delay <= 2 * DEFAULT_MIN_BACKOFF for delay in delays)


def test_a_fixed_delay_is_exact_every_time() -> None:
    actor = declared(retry_delay=600_000, max_retries=None)

    assert {decide(actor, {}, failures, ERROR).delay_ms for failures in range(50)} == {600_000}
    assert decide(actor, {"retry_delay": 5}, 0, ERROR).delay_ms == 5
    assert decide(declared(min_backoff=1), {"retry_delay": 7}, 0, ERROR).delay_ms == 7


def test_a_messages_own_backoff_wins_over_the_actors_fixed_delay() -> None:
    delay = decide(declared(retry_delay=600_000), {"min_backoff": 10, "max_backoff": 100}, 0, ERROR).delay_ms

    assert delay is not None
    assert delay <= 100


@pytest.mark.parametrize(("asked", "given_ms"), [(0, 0), (1500, 1500), (-5, 0), (10**18, LONGEST_DELAY), (1.9, 1)])
def test_the_delay_an_actor_asks_for_is_kept_within_reason(asked: int, given_ms: int) -> None:
    assert decide(declared(retry_delay=600_000), {}, 0, Retry("later", delay=asked)).delay_ms == given_ms


def test_a_function_of_the_actors_own_decides_how_long_to_wait() -> None:
    actor = declared(backoff=lambda failures, exception: 1000 * (failures + 1) if exception is ERROR else 1)

    assert [decide(actor, {}, failures, ERROR).delay_ms for failures in range(3)] == [1000, 2000, 3000]


@pytest.mark.parametrize(
    ("asked", "expected_ms"),
    [(30, 30_000), (1.5, 1500), (timedelta(minutes=2), 120_000), ("7", 7000), (-5, 0), ("soon", None), (True, None)],
)
def test_an_exception_may_say_itself_when_to_come_back(asked: Any, expected_ms: int | None) -> None:
    class TooManyRequests(Exception):
        retry_after = asked

    delay = decide(declared(retry_delay=42), {}, 0, TooManyRequests()).delay_ms

    assert delay == (42 if expected_ms is None else expected_ms)


def test_the_header_of_an_answer_says_when_to_come_back() -> None:
    class Answer:
        headers: ClassVar = {"Retry-After": format_datetime(now() + timedelta(seconds=60), usegmt=True)}

    class HTTPError(Exception):
        response = Answer()

    delay = decide(declared(retry_delay=42), {}, 0, HTTPError()).delay_ms

    assert delay is not None
    assert 50_000 < delay <= 60_000


def test_a_retry_without_delay_waits_as_after_any_failure() -> None:
    assert decide(declared(retry_delay=7), {}, 0, Retry("later")).delay_ms == 7


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"max_retries": -1}, "max_retries must be a whole number of at least 0, not -1"),
        ({"max_retries": True}, "max_retries must be a whole number"),
        ({"min_backoff": 1.5}, "min_backoff must be a whole number"),
        ({"max_backoff": "1h"}, "max_backoff must be a whole number"),
        ({"retry_delay": "10m"}, "retry_delay must be a whole number"),
        ({"retry_delay": 1, "max_backoff": 5}, "give either retry_delay or a backoff, not both"),
        ({"retry_when": True}, "retry_when must be a function"),
        ({"time_limit": 0}, "time_limit must be a number of milliseconds above 0, not 0"),
        ({"time_limit": "1m"}, "time_limit must be a number of milliseconds"),
        ({"transactional": "yes"}, "transactional must be True or False, not 'yes'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_at_import_with_the_actors_name(options: dict[str, Any], complaint: str) -> None:
    known = set(src.actors.broker.actors)

    with pytest.raises(ValueError, match=complaint) as refused:
        dramatiq.actor(actor_name="checked", **options)(lambda: None)

    assert str(refused.value).startswith("checked: ")
    assert set(src.actors.broker.actors) == known


# by a worker


def attempts(callboard: Callboard, message: dramatiq.Message[Any]) -> list[tuple[int, Outcome]]:
    return [(attempt.number, attempt.outcome) for attempt in callboard.until(message).attempts]


def test_a_failing_job_is_tried_again_until_it_succeeds(callboard: Callboard) -> None:
    message = actors.succeed_at.send(3)

    assert attempts(callboard, message) == [(1, Outcome.FAILED), (2, Outcome.FAILED), (3, Outcome.SUCCEEDED)]
    job = callboard.job(message.message_id)
    assert (job.state, job.result, job.failures, job.error, job.reason) == (State.SUCCEEDED, 3, 2, None, None)
    assert [attempt.error for attempt in job.attempts] == ["ValueError: attempt 1", "ValueError: attempt 2", None]


def test_a_job_whose_retries_are_spent_is_dead(callboard: Callboard) -> None:
    message = actors.succeed_at.send(99)

    assert attempts(callboard, message) == [(number, Outcome.FAILED) for number in range(1, 5)]
    assert callboard.job(message.message_id).reason == "retries exhausted (4 of 4 attempts)"


def test_a_messages_own_retries_count(callboard: Callboard) -> None:
    assert len(attempts(callboard, actors.succeed_at.send_with_options(args=(99,), max_retries=1))) == 2


def test_throws_and_retry_when_are_obeyed(callboard: Callboard) -> None:
    assert len(attempts(callboard, actors.throw_key_error.send())) == 1
    assert len(attempts(callboard, actors.fail_with.send("OSError"))) == 2
    assert len(attempts(callboard, actors.fail_with.send("ValueError"))) == 1


@pytest.mark.parametrize("delay", [0, 700])
def test_an_actor_that_asks_for_a_retry_gets_it_and_not_early(callboard: Callboard, delay: int) -> None:
    message = actors.ask_for_retry.send(delay)

    first, second = callboard.until(message).attempts
    assert second.outcome is Outcome.SUCCEEDED
    assert second.started_at - first.finished_at >= timedelta(milliseconds=delay) - CLOCK_ERROR


def test_between_attempts_a_job_says_what_it_waits_for_and_has_no_message(callboard: Callboard) -> None:
    message = actors.fail.send_with_options(args=("no",), max_retries=3, min_backoff=3_600_000)

    job = callboard.until(message, State.RETRYING)

    assert job.reason == "retry 1 of 3 after ValueError"
    assert job.due_at is not None
    assert job.due_at - now() > timedelta(minutes=50)
    assert job.publish_at is None
