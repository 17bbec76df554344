"""Time limits end an attempt, and no other code."""

from __future__ import annotations

from src.jobs import State
from tests.actors import broker as actors
from tests.harness.callboard import Callboard


def test_an_actor_that_runs_too_long_is_a_failed_attempt(callboard: Callboard) -> None:
    job = callboard.until(actors.run_for_ever.send())

    assert (job.state, job.error) == (State.DEAD, "TimeLimitExceeded")
    assert "in run_for_ever" in (job.attempts[0].traceback or "")


def test_a_coroutine_that_awaits_too_long_is_a_failed_attempt(callboard: Callboard) -> None:
    job = callboard.until(actors.await_for_ever.send())

    assert (job.state, job.error) == (State.DEAD, "TimeLimitExceeded")


def test_the_threads_serve_on_after_their_limits(callboard: Callboard) -> None:
    for message in [actors.run_for_ever.send() for _ in range(12)]:
        assert callboard.until(message).state is State.DEAD

    messages = [actors.echo.send(number) for number in range(40)]

    assert [callboard.until(message).result for message in messages] == list(range(40))


def test_a_message_may_have_a_limit_of_its_own(callboard: Callboard) -> None:
    job = callboard.until(actors.make_and_wait.send_with_options(args=("/dev/null", "/nowhere/to/be/found"), time_limit=200))

    assert job.error == "TimeLimitExceeded"
