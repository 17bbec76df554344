"""Nothing that surrounds an attempt changes how it ends: callbacks, options of the wrong type, and foreign methods of exceptions."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from dramatiq import Middleware, pipeline
from dramatiq.errors import Retry
from dramatiq.middleware import MiddlewareError, SkipMessage
from pydantic import BaseModel, SecretStr, computed_field

from src.broker.consume.deliveries import Arrival, Delivery, decode
from src.broker.execute.executor import IsolatedEnd
from src.broker.execute.running import Running
from src.jobs import State, current_job
from src.jobs.core.errors import JobsError
from src.jobs.core.models import Job
from src.jobs.core.states import Outcome
from src.settings import get_settings
from src.sql.clock import now
from tests.harness.attempts import Attempts, declared
from tests.harness.inline import Inline
from tests.harness.jobs import message


class _Says(Exception):
    """An exception whose text raises another."""

    def __init__(self, raised: BaseException) -> None:
        self.raised = raised

    def __str__(self) -> str:
        raise self.raised


@pytest.mark.parametrize(
    "raised", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()], ids=lambda value: type(value).__name__
)
def test_an_exception_whose_text_ends_the_process_ends_its_attempt(attempts: Attempts, raised: BaseException) -> None:
    def fail_so() -> None:
        raise _Says(raised)

    with declared(fail_so, max_retries=3) as failing:
        job = attempts.run(failing.message())
    assert (job.state, job.error) == (State.RETRYING, "_Says: (_Says that cannot be read)")


class _Broken(Exception):
    @property
    def response(self) -> Any:
        raise RuntimeError("no response yet")


class _Exits(Exception):
    @property
    def retry_after(self) -> Any:
        raise SystemExit(1)


@pytest.mark.parametrize(
    "error",
    [_Broken(), _Exits(), *(Retry("later", delay=delay) for delay in (float("nan"), float("inf"), "soon", [1]))],  # type: ignore[arg-type]
    ids=lambda error: f"{type(error).__name__} {getattr(error, 'delay', '')}",
)
def test_a_delay_that_cannot_be_read_leaves_the_retries(attempts: Attempts, error: Exception) -> None:
    def fail_so() -> None:
        raise error

    with declared(fail_so, max_retries=3, retry_delay=60_000) as failing:
        job = attempts.run(failing.message())
    assert job.state is State.RETRYING
    assert job.due_at is not None
    assert timedelta(seconds=50) < job.due_at - now() <= timedelta(seconds=60)


def test_a_backoff_of_the_actor_that_fails_leaves_the_retries(attempts: Attempts) -> None:
    def fail_so() -> None:
        raise ValueError

    def backoff(failures: int, error: BaseException) -> int:
        raise SystemExit(f"after {failures}")

    with declared(fail_so, max_retries=3, backoff=backoff) as failing:
        assert attempts.run(failing.message()).state is State.RETRYING


def test_a_retry_rule_that_fails_leaves_the_error_with_its_traceback(attempts: Attempts) -> None:
    def fail_so() -> None:
        raise ValueError("the cause")

    def retry_when(failures: int, error: BaseException) -> bool:
        raise SystemExit("no rule")

    def noted(message: dict[str, Any], error: dict[str, str]) -> Any:
        return error

    with declared(fail_so, retry_when=retry_when, on_failure="noted") as failing, declared(noted):
        job = attempts.run(failing.message())
        assert (job.state, job.error, job.reason) == (State.DEAD, "ValueError: the cause", "its retry rule failed: SystemExit: no rule")
        assert "in fail_so" in str(job.attempts[0].traceback)
        assert attempts.next(job, "callback").args[1]["message"] == "the cause"


def test_callbacks_and_hooks_get_retries_and_traceback_as_in_dramatiq(inline: Inline) -> None:
    noted: list[Any] = []

    class Noting(Middleware):
        def after_ack(self, broker: Any, message: Any) -> None:
            noted.append(message.options.get("traceback"))

        after_nack = after_ack

    def fail_so() -> None:
        raise ValueError("the cause")

    def note(message: dict[str, Any], _: Any) -> None: ...

    inline.broker.add_middleware(hook := Noting())
    how: dict[str, Any] = {"max_retries": 1, "retry_delay": 0, "on_failure": "note", "on_retry_exhausted": "note"}
    try:
        with declared(fail_so, **how) as failing, declared(note):
            own = Inline(inline.database)
            id = failing.send().message_id
            own.run(id)
            own.relay.watch()
            own.relay.run_once()
            own.run(id)
    finally:
        inline.broker.middleware.remove(hook)
    with inline.database.read() as session:
        callbacks = [args for (args,) in session.query(Job.args).where(Job.source == "callback").order_by(Job.seq)]
    options = [args[0]["options"] for args in callbacks]
    assert [each["retries"] for each in options] == [1, 2, 2]
    assert callbacks[2][1] == {"retries": 1, "max_retries": 1}
    for text in (*(each["traceback"] for each in options), *noted):
        assert "in fail_so" in text
        assert text.endswith("ValueError: the cause\n")
    assert len(noted) == 2


def test_hooks_after_an_isolated_attempt_get_them_too(inline: Inline, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[Any] = []

    class Noting(Middleware):
        def after_nack(self, broker: Any, message: Any) -> None:
            noted.append((message.options["retries"], message.options["traceback"]))

    def fail_so() -> None:
        raise ValueError("the cause")

    def run(running: Running, module: str, limit_ms: float | None) -> IsolatedEnd:
        """Run the attempt with a message of its own, as a child process does."""
        own = Delivery(running.delivery.claimed, Arrival(0, 0, False, b""), None)
        return IsolatedEnd(executor.attempts.run(Running(running.job, own)))

    inline.broker.add_middleware(hook := Noting())
    try:
        with declared(fail_so, isolated=True) as failing:
            own = Inline(inline.database)
            executor = own.executor
            monkeypatch.setattr(executor._children, "run", run)
            own.run(failing.send().message_id)
    finally:
        inline.broker.middleware.remove(hook)
    [(retries, traceback)] = noted
    assert retries == 1
    assert traceback.endswith("ValueError: the cause\n")


def test_a_callback_after_an_error_in_throws_gets_the_message_as_it_was(attempts: Attempts) -> None:
    def fail_so() -> None:
        raise ValueError("the cause")

    def noted(message: dict[str, Any], error: dict[str, str]) -> None: ...

    with declared(fail_so, throws=ValueError, on_failure="noted") as failing, declared(noted):
        job = attempts.run(failing.message())
        assert attempts.next(job, "callback").args[0]["options"] == {"retries": 0, "attempt": 1}


def test_a_callback_gets_a_masked_traceback_that_fits(attempts: Attempts) -> None:
    def fail_so(key: SecretStr) -> None:
        raise ValueError(f"{key.get_secret_value()} " + "x" * get_settings().max_message_bytes)

    def noted(message: dict[str, Any], error: dict[str, str]) -> None: ...

    with declared(fail_so, on_failure="noted") as failing, declared(noted):
        job = attempts.run(failing.message("s3cret-of-mine"))
        [traceback] = [attempts.next(job, "callback").args[0]["options"]["traceback"]]
    assert "in fail_so" in traceback
    assert "s3cret-of-mine" not in traceback


def test_the_callback_for_spent_retries_gets_dramatiqs_limit_where_none_is_declared(attempts: Attempts) -> None:
    def fail_so() -> None:
        raise ValueError

    def last(message: dict[str, Any], retries: dict[str, int]) -> None: ...

    with declared(fail_so, retry_when=lambda failures, error: False, on_retry_exhausted="last") as failing, declared(last):
        del failing.options["max_retries"]
        job = attempts.run(failing.message())
        assert attempts.next(job, "callback").args[1] == {"retries": 0, "max_retries": 20}


def test_a_job_succeeds_whose_callback_is_an_actor_of_another_deploy(attempts: Attempts) -> None:
    def give() -> int:
        return 7

    with declared(give, queue_name="givers") as giver:
        job = attempts.run(giver.message().copy(options={"on_success": "of_tomorrow"}))
        then = attempts.next(job, "callback")
    assert (job.state, job.result) == (State.SUCCEEDED, 7)
    # A worker holds it, with the name in the reason, until one has that actor.
    assert (then.actor, then.queue, then.args[1]) == ("of_tomorrow", "givers", 7)


@pytest.mark.parametrize("option", ["on_failure", "on_retry_exhausted"])
def test_a_job_keeps_its_retries_whose_callback_is_an_actor_of_another_deploy(attempts: Attempts, option: str) -> None:
    def fail_so() -> None:
        raise ValueError("x")

    with declared(fail_so, max_retries=1, retry_delay=0) as failing:
        job = attempts.run(failing.message().copy(options={option: "of_tomorrow"}))
    assert (job.state, job.reason) == (State.RETRYING, "retry 1 of 1 after ValueError")


def test_a_job_keeps_its_retries_whose_callback_is_too_large_to_be_stored(attempts: Attempts) -> None:
    def fail_so(text: str) -> None:
        raise ValueError("x")

    def noted(message: dict[str, Any], error: dict[str, str]) -> None: ...

    with declared(fail_so, max_retries=3, on_failure="noted") as failing, declared(noted):
        job = attempts.run(failing.message("x" * (get_settings().max_message_bytes - 20)))
    assert job.state is State.RETRYING
    assert str(job.reason).startswith("retry 1 of 3 after ValueError; its callback noted could not be submitted: the arguments are ")
    assert job.attempts[0].outcome is Outcome.FAILED


_WRONG: dict[str, list[Any]] = {
    **{key: [True, 1, [1], {"a": 1}] for key in ("on_success", "on_failure", "on_retry_exhausted")},
    **{key: ["1", [], {}, -1] for key in ("min_backoff", "max_backoff")},
    **{key: ["1", [], {}, -1, True, float("nan"), 2**70] for key in ("time_limit", "hard_time_limit")},
    **{key: ["1", [], {}, -1, True, float("nan"), float("inf"), 2**70] for key in ("max_retries", "retry_delay")},
    "pipe_target": [True, 0, "x", [], {}, {"a": 1}],
    "group_completion_callbacks": [True, 1, "x", {"a": 1}, [1], [{}], [None]],
}
WRONG = [(name, value) for name, values in _WRONG.items() for value in values]
_ONCE_TAKEN: dict[str, list[Any]] = {
    **{key: [0] for key in ("time_limit", "hard_time_limit")},
    "max_retries": [1.5],
    **{key: ["no", 0, 1, []] for key in ("isolated", "notify_shutdown", "pipe_ignore")},
}
#: values that the release before stored with jobs
ONCE_TAKEN = [(name, value) for name, values in _ONCE_TAKEN.items() for value in values]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda value: ascii(value)[:30])
def test_an_option_of_a_wrong_type_is_refused_on_its_way_in_and_not_after_the_attempt(attempts: Attempts, name: str, value: Any) -> None:
    with pytest.raises(JobsError, match=name):
        attempts.run(message(**{name: value}))
    nested = {**message(**{name: value}).asdict(), "args": []}
    with pytest.raises(JobsError, match=name):
        attempts.run(message(pipe_target=nested))
    foreign, problem = decode(json.dumps({**message().asdict(), "options": {name: value}}).encode())
    assert foreign is None
    assert problem.startswith(f"{name} must ")


@pytest.mark.parametrize(("name", "value"), ONCE_TAKEN, ids=lambda value: ascii(value)[:30])
def test_a_value_that_is_refused_by_now_is_read_where_it_is_stored(attempts: Attempts, name: str, value: Any) -> None:
    """Each delivery of such a job that is a copy, or for another worker, would be held as an unreadable message."""
    nested = {**message(**{name: value}).asdict(), "args": []}
    for options in ({name: value}, {"pipe_target": nested}):
        with pytest.raises(JobsError, match=f"{name} must "):
            attempts.run(message(**options))
        kept, problem = decode(json.dumps({**message().asdict(), "options": options}).encode())
        assert (kept is not None and kept.options, problem) == (options, "")


def _exits(x: Any) -> Any:
    raise SystemExit("no key")


KEYS = {"a NUL": lambda x: "a\x00b", "half of a pair": lambda x: "\ud800", "no text": _Says, "an exit": _exits}


@pytest.mark.both_stores
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("limit", [{"concurrency": 1}, {"rate_limit": "1/h"}], ids=lambda limit: next(iter(limit)))
def test_a_job_runs_whose_limit_has_a_key_that_no_store_holds(inline: Inline, key: str, limit: dict[str, Any]) -> None:
    """It stayed queued for ever, without a reason: each claim of it failed."""

    def work(x: int) -> int:
        return x

    named = {"concurrency_key" if "concurrency" in limit else "rate_key": KEYS[key]}
    with declared(work, **limit, **named) as worker:
        assert inline.run(worker.send(1).message_id).state is State.SUCCEEDED


@pytest.mark.parametrize("option", ["unique_by", "fair_by"])
@pytest.mark.parametrize("key", [lambda x: x.lower(), _exits], ids=["an error", "an exit"])
def test_an_attempt_that_has_succeeded_does_not_run_again_because_what_follows_has_no_key(inline: Inline, option: str, key: Any) -> None:
    def give() -> int:
        return 7

    def take(x: Any) -> None: ...

    keyed = {"unique": True, "unique_by": key} if option == "unique_by" else {"fair_by": key}
    with declared(give, max_retries=3) as giver, declared(take, **keyed) as taker:
        for first in (pipeline([giver.message(), taker.message()]).run().messages[0], giver.message_with_options(on_success="take")):
            if first.options.get("on_success"):
                giver.broker.enqueue(first)
            job = inline.run(first.message_id)
            assert job.state is State.DEAD
            assert f"take, which follows it, cannot take its result: {option} of take cannot compute a key from the arguments" in str(
                job.reason
            )


def test_a_key_that_cannot_be_computed_is_an_error_of_the_call(attempts: Attempts) -> None:
    def take(x: Any) -> None: ...

    with declared(take, unique=True, unique_by=_exits) as taker, pytest.raises(JobsError, match="unique_by of take cannot compute a key"):
        attempts.run(taker.message(1))


@pytest.mark.parametrize("option", ["expires", "unique_for", "eta", "keep_until"])
@pytest.mark.parametrize("value", [timedelta.max, 1e300, 10**30], ids=str)
def test_a_time_beyond_all_calendars_is_an_error_of_the_call(attempts: Attempts, option: str, value: Any) -> None:
    with pytest.raises(JobsError, match=option):
        attempts.run(message(unique_key="k", **{option: value}))


class _Model(BaseModel):
    x: int = 1

    @computed_field  # type: ignore[prop-decorator]
    @property
    def y(self) -> int:
        raise SystemExit("no y")


def test_a_result_whose_encoding_exits_does_not_run_again(attempts: Attempts) -> None:
    def give() -> Any:
        return _Model()

    with declared(give, max_retries=3) as giver:
        job = attempts.run(giver.message())
    assert (job.state, "cannot be written as JSON" in str(job.reason)) == (State.DEAD, True)


def test_the_work_of_a_generator_is_that_of_its_attempt(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its body ran while the result was encoded: without a time limit, and an error in it was one of the encoding."""
    monkeypatch.setenv("CALLBOARD_MAX_RESULT_BYTES", "1024")
    get_settings.cache_clear()

    def give() -> Any:
        while True:
            pass
        yield 1

    def give_all() -> Any:
        yield from count()

    def fail_so() -> Any:
        yield 1
        raise OSError("later")

    with declared(give, time_limit=1) as giver, declared(give_all) as all_giver, declared(fail_so, max_retries=3) as failing:
        assert "more than 512 values" in str(attempts.run(all_giver.message()).error)
        assert str(attempts.run(giver.message()).error).startswith("TimeLimitExceeded")
        assert attempts.run(failing.message()).state is State.RETRYING


def test_an_attribute_that_an_actor_sets_on_the_current_job_is_an_error_and_not_that_of_later_jobs(attempts: Attempts) -> None:
    def mark() -> Any:
        with pytest.raises(AttributeError):
            setattr(current_job, "id", "mine")  # noqa: B010 - as an actor writes it
        return current_job.id

    with declared(mark) as marker:
        first, second = attempts.run(marker.message()), attempts.run(marker.message())
    assert (first.result, second.result) == (first.id, second.id)


#: hooks around an attempt and its acknowledgement, with the state of a job whose actor succeeds
HOOKS = {
    "before_process_message": State.DEAD, "after_process_message": State.DEAD, "before_ack": State.SUCCEEDED, "after_ack": State.SUCCEEDED,
}  # fmt: skip


@pytest.mark.parametrize("name", HOOKS)
@pytest.mark.parametrize(
    "error", [MiddlewareError("no"), SkipMessage("no"), SystemExit("no"), GeneratorExit("no")], ids=lambda error: type(error).__name__
)
def test_a_hook_that_raises_leaves_no_job_running(attempts: Attempts, name: str, error: BaseException) -> None:
    def raising(*_: Any, **__: Any) -> None:
        raise error

    hook = type("Raising", (Middleware,), {name: raising})()
    attempts.broker.add_middleware(hook)
    try:
        with declared(lambda: 1, actor_name="works") as worker:
            job = Attempts(attempts.database).run(worker.message())
    finally:
        attempts.broker.middleware.remove(hook)
    if not isinstance(error, MiddlewareError):
        assert job.state is State.SUCCEEDED  # as after any other error of a hook
    elif isinstance(error, SkipMessage) and name.endswith("process_message"):
        assert job.state is State.CANCELLED
    else:
        assert job.state is HOOKS[name]
