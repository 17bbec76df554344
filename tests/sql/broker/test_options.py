"""Options of one call: honoured on every way in, or refused with an error that suggests the right name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, cast

import dramatiq
import pytest
from dramatiq import Message, Middleware

from src.broker import JobFailure, get, ready, state
from src.broker.jobs_broker import JobsBroker
from src.broker.options.errors import InvalidOption
from src.jobs import JobsError, State, Workflow, submit
from src.jobs.core.errors import UnknownJob
from src.sql.clock import now
from src.sql.database import Database
from tests.actors.endings import once
from tests.actors.endings import return_values as keep
from tests.harness.attempts import declared
from tests.harness.inline import Inline
from tests.harness.jobs import StillClock, look, message


def sent(_database: Database, message: Message[Any]) -> str:
    return str(dramatiq.get_broker().enqueue(message).message_id)


def submitted(database: Database, message: Message[Any]) -> str:
    with database.write() as session:
        return submit(session, message).id


def in_a_workflow(database: Database, message: Message[Any]) -> str:
    workflow = Workflow()
    step = workflow.step(message)
    with database.write() as session:
        return workflow.submit(session).jobs[step.name]


def in_a_shape(database: Database, message: Message[Any]) -> str:
    with database.write() as session:
        [id] = Workflow("shape", message).submit(session).jobs.values()
    return id


WAYS = pytest.mark.parametrize("way", [sent, submitted, in_a_workflow, in_a_shape], ids=lambda way: way.__name__)
Way = Callable[[Database, Message[Any]], str]


@pytest.mark.both_stores
@WAYS
@pytest.mark.usefixtures("inline")
def test_what_a_message_says_about_its_submission_holds_however_it_is_submitted(database: Database, time: StillClock, way: Way) -> None:
    how = {"priority": 2, "delay": 5_000, "expires": timedelta(hours=1), "unique_key": "k", "idempotency_key": "i"}

    job = look(database, way(database, keep.message_with_options(args=(1,), **cast(Any, how))))

    assert (job.priority, job.due_at, job.expires_at) == (2, now() + timedelta(seconds=5), now() + timedelta(hours=1))
    assert (job.unique_key, job.idempotency_key, job.options) == ("k", "i", {})


@WAYS
@pytest.mark.parametrize(
    ("option", "cure"),
    [
        ("countdown", "write delay in milliseconds"),
        ("queue_name", "copy(queue_name="),
        ("run_at", "write eta"),
        ("timeout", "write time_limit"),
        ("max_retires", "do you mean max_retries?"),
        ("idempotencykey", "do you mean idempotency_key?"),
        ("rate_limit", "@dramatiq.actor(rate_limit=…)"),
        ("throws", "@dramatiq.actor(throws=…)"),
        ("colour", "actor_options"),
    ],
)
def test_a_word_that_is_not_an_option_is_an_error_that_names_the_right_one(
    inline: Inline, database: Database, way: Way, option: str, cure: str
) -> None:
    with pytest.raises(JobsError) as refused:
        way(database, keep.message_with_options(args=(1,), **cast(Any, {option: 5})))

    assert refused.value.field == option
    assert cure in str(refused.value)


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("max_retries", "3", "a whole number"),
        ("max_retries", True, "a whole number"),
        ("max_retries", 1.5, "a whole number"),
        ("time_limit", 0, "a number of milliseconds above 0"),
        ("hard_time_limit", 0, "a number of milliseconds above 0"),
        ("hard_time_limit", float("inf"), "a number of milliseconds above 0"),
        ("isolated", "no", "True or False"),
        ("notify_shutdown", "x", "True or False"),
        ("pipe_ignore", "no", "True or False"),
    ],
)
def test_a_value_that_an_actor_would_not_take_is_refused(inline: Inline, option: str, value: Any, complaint: str) -> None:
    with pytest.raises(JobsError, match=f"{option} must be {complaint}"):
        keep.send_with_options(args=(1,), **{option: value})
    with pytest.raises(JobsError, match=f"{option} must be {complaint}"):
        (keep.message(1) | keep.message_with_options(**{option: value})).run()


@WAYS
def test_a_call_without_a_limit_of_retries_has_none(inline: Inline, database: Database, way: Way) -> None:
    def fail_so() -> None:
        raise ValueError

    with declared(fail_so, max_retries=0) as failing:
        job = inline.run(way(database, failing.message_with_options(max_retries=None)))
    assert (job.state, job.reason) == (State.RETRYING, "retry 1 after ValueError")


def test_a_later_step_of_a_pipeline_is_checked_before_the_first_one_runs(inline: Inline) -> None:
    with pytest.raises(JobsError, match="countdown"):
        (keep.message(1) | keep.message_with_options(countdown=5)).run()


@pytest.fixture
def _own_middleware() -> None:
    class Colours(Middleware):
        @property
        def actor_options(self) -> set[str]:
            return {"colour"}

    JobsBroker().add_middleware(Colours())


@pytest.mark.usefixtures("_own_middleware")
def test_an_option_that_a_teams_own_middleware_declares_is_kept(inline: Inline, database: Database) -> None:
    assert look(database, keep.send_with_options(colour="red").message_id).options == {"colour": "red"}


def test_an_id_that_no_job_has_is_said_at_once(inline: Inline) -> None:
    for ask in (get, ready, state):
        with pytest.raises(UnknownJob, match="no such id"):
            ask("no such id")
    with pytest.raises(TimeoutError, match="has no row"):
        get(message(), timeout=0)


def test_a_failure_says_the_state_and_the_exception(inline: Inline, database: Database) -> None:
    job = once.send("fail")
    inline.run_all()

    with pytest.raises(JobFailure) as failed:
        job.get_result()

    assert failed.value.state is State.DEAD
    assert isinstance(failed.value.exception, ValueError)
    assert str(failed.value.exception) == "failed"


def test_an_option_of_an_actor_or_of_submit_that_does_not_exist_is_named_with_the_nearest(inline: Inline, database: Database) -> None:
    for options, nearest in (({"uniqe": True}, "unique"), ({"queue": "mail"}, "queue_name"), ({"isolate": True}, "isolated")):
        with pytest.raises(ValueError, match=rf"options are undefined: \w+ \((do you mean {nearest}\?|write {nearest})\)"):
            dramatiq.actor(actor_name="undeclared", **cast(Any, options))(keep.fn)
    with pytest.raises(ValueError, match=r"options are undefined: xyz \(name an option of your own in actor_options"):
        dramatiq.actor(actor_name="undeclared", **cast(Any, {"xyz": 1}))(keep.fn)
    for name in ("max_age", "ttl", "expires_in", "expires_at"):
        with pytest.raises(ValueError, match=rf"{name} \(write expires, a timedelta or milliseconds\)"):
            dramatiq.actor(actor_name="undeclared", **cast(Any, {name: 1}))(keep.fn)
    with pytest.raises(InvalidOption, match="priority must be a whole number"):
        dramatiq.actor(actor_name="undeclared", priority=cast(Any, "high"))(keep.fn)
    assert "undeclared" not in inline.broker.actors


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"throws": "ValueError"}, "throws must be an exception class, or a tuple or list of them, not 'ValueError'"),
        ({"throws": (ValueError, "KeyError")}, "throws must be an exception class"),
        ({"throws": int}, "throws must be an exception class"),
        ({"unique_by": lambda x: x}, "unique_by needs unique or unique_for"),
        ({"unique_by": lambda x: x, "unique": False}, "unique_by needs unique or unique_for"),
        ({"retry_when": lambda error: True}, r"retry_when must be a function of \(failures so far, exception\)"),
        ({"backoff": lambda: 1}, r"backoff must be a function of \(failures so far, exception\)"),
    ],
)
def test_an_option_of_an_actor_that_would_do_nothing_is_refused(inline: Inline, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidOption, match=f"undeclared: {complaint}"):
        dramatiq.actor(actor_name="undeclared", **options)(keep.fn)
    assert "undeclared" not in inline.broker.actors


@pytest.mark.parametrize("rule", [max, lambda *_: 1, lambda failures, error, more=1: 1, partial(lambda a, b, c: 1, 1)])
def test_a_rule_of_retries_is_whatever_takes_two_arguments(inline: Inline, rule: Any) -> None:
    with declared(lambda: None, actor_name="ruled", backoff=rule, retry_when=rule, throws=[ValueError, KeyError]):
        pass


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("prio", "do you mean priority?"),
        ("delay", "write due_at, a datetime with a time zone"),
        ("eta", "write due_at, a datetime with a time zone"),
        ("countdown", "write due_at, a datetime with a time zone"),
        ("expires", "write expires_at, a datetime with a time zone"),
        ("ttl", "write expires_at, a datetime with a time zone"),
        ("broker_priority", "write priority"),
        ("dedup_key", "write unique_key"),
        ("max_tries", "it belongs to the message, actor.message_with_options(args=…, max_retries=…)"),
        ("time_limit", "it belongs to the message, actor.message_with_options(args=…, time_limit=…)"),
        ("queue", "write actor.message(…).copy(queue_name=…)"),
        ("xyz", "there are due_at, expires_at, priority, unique_key, unique_until, unique_for, fair_key, keep_until, idempotency_key"),
    ],
)
def test_an_option_that_submit_does_not_take_is_named_with_its_word_for_it(
    inline: Inline, database: Database, name: str, cure: str
) -> None:
    with database.session() as session, pytest.raises(JobsError) as refused:
        submit(session, keep.message(1), **{name: 5})
    assert (str(refused.value), refused.value.field) == (f"{name!r} is not an option of submit(): {cure}", name)


def test_links_of_a_submission_are_those_of_a_workflow(inline: Inline, database: Database) -> None:
    with database.session() as session, pytest.raises(JobsError, match="link and link_error make a workflow"):
        submit(session, keep.message(1), link=keep.message(2))
