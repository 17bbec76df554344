"""Every value in a row or a message is stored by one encoder; one job's output never stops another job."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from src.broker.process import running_attempts
from src.jobs import State, current_job
from src.jobs.attempts import attempt_logs
from src.jobs.core.errors import JobsError
from src.jobs.finish import settle
from src.sql.database import Database
from tests.harness.attempts import Attempts, declared
from tests.harness.jobs import claimed, hired, look


class Colour(Enum):
    RED = "red"


class Model(BaseModel):
    at: date


@dataclass
class Plain:
    text: str


class Name(str): ...


class Scalar:
    """As NumPy's numbers and arrays are."""

    def tolist(self) -> Any:
        return [1, 2.5]


RICH = [
    date(2030, 1, 1),
    datetime(2030, 1, 1, tzinfo=UTC),
    timedelta(seconds=90),
    UUID(int=7),
    Decimal("1.10"),
    {3},
    Path("a/b"),
    b"bytes",
    Colour.RED,
    Model(at=date(2030, 1, 1)),
    Plain("x"),
    Name("name"),
    Scalar(),
    {"deep": [Scalar(), {date(2030, 1, 1): (1, UUID(int=7))}]},
    {1: "one", None: "none"},
    float("inf"),
    10**30,
    "NUL \x00, half \ud800, whole 😀",
]


@pytest.mark.parametrize("value", RICH, ids=lambda value: ascii(value)[:30])
def test_the_next_job_gets_what_the_row_of_the_one_before_holds(attempts: Attempts, value: Any) -> None:
    def give() -> Any:
        return value

    def take(got: Any) -> Any:
        return got

    def noted(message: dict[str, Any], result: Any) -> Any:
        return result

    with declared(give, on_success="noted") as giver, declared(take) as taker, declared(noted):
        first = attempts.run((giver.message() | taker.message()).messages[0])
        then, told = attempts.next(first, "pipeline"), attempts.next(first, "callback")
        assert (first.state, first.error) == (State.SUCCEEDED, None)
        assert then.args == [first.result]
        assert told.args[1] == first.result
        assert attempts.run(then.id).result == first.result
        assert attempts.run(told.id).result == first.result


@pytest.mark.parametrize(
    "value", [ValueError("x"), date(2030, 1, 1), Path("a"), "half \ud800", {"\udfff": 1}, 10**5000], ids=lambda value: type(value).__name__
)
def test_an_argument_that_cannot_be_stored_is_refused_where_it_is_sent(attempts: Attempts, value: Any) -> None:
    def take(got: Any) -> None: ...

    with declared(take) as taker, pytest.raises(JobsError, match="args cannot be written as JSON"):
        attempts.run(taker.message(value))


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


SAID = [
    42,
    1.5,
    ["a"],
    b"by\xfftes",
    Path("a/b"),
    ValueError("gone"),
    float("nan"),
    Name("name"),
    "NUL \x00 half \ud800",
    "x" * 10_000,
    Unreadable(),
]


@pytest.mark.parametrize("message", SAID, ids=lambda value: type(value).__name__)
def test_any_message_of_progress_is_kept_as_text_and_the_job_succeeds(attempts: Attempts, message: Any) -> None:
    def tell() -> str:
        current_job.progress(1, 10, message)
        return "done"

    with declared(tell) as teller:
        job = attempts.run(teller.message())
    assert (job.state, job.result, job.progress_done) == (State.SUCCEEDED, "done", 1)
    assert 0 < len(str(job.progress_message)) < 1_100


@pytest.mark.parametrize("number", ["many", [1], None, math.nan, 1j], ids=repr)
def test_progress_that_is_no_number_is_a_type_error_at_that_line(attempts: Attempts, number: Any) -> None:
    def tell() -> str:
        try:
            current_job.progress(number, 10)
        except TypeError as error:
            return str(error)
        raise AssertionError

    with declared(tell) as teller:
        assert "progress(done=…) takes a number" in str(attempts.run(teller.message()).result)


class Shapeless(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def _odd_syntax_error() -> SyntaxError:
    error = SyntaxError("odd")
    error.text, error.lineno, error.offset = 5, "seven", []  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    "error",
    [
        Shapeless(),
        ValueError("NUL \x00 half \ud800"),
        ValueError("x" * 3_000_000),
        ValueError(object()),
        _odd_syntax_error(),
        SystemExit("bye"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_exception_ends_the_job_with_its_error_and_reaches_its_callbacks(attempts: Attempts, error: BaseException) -> None:
    def fail_so() -> None:
        raise error

    def noted(message: dict[str, Any], error: dict[str, str]) -> Any:
        return error

    with declared(fail_so, on_failure="noted") as failing, declared(noted):
        job = attempts.run(failing.message())
        assert (job.state, str(job.error).partition(":")[0]) == (State.DEAD, type(error).__name__)
        assert "retry rule failed" not in str(job.reason)
        told = attempts.run(attempts.next(job, "callback").id)
        assert told.result["type"] == type(error).__name__


def test_a_hook_that_fails_for_good_ends_its_job_and_not_the_thread(attempts: Attempts) -> None:
    from dramatiq import Middleware
    from dramatiq.middleware import MiddlewareError

    class Broken(Middleware):
        def after_process_message(self, *_: Any, **__: Any) -> None:
            raise MiddlewareError("the hook is broken")

    def work() -> None: ...

    hook = Broken()
    attempts.broker.add_middleware(hook)
    try:
        with declared(work) as worker:
            job = Attempts(attempts.database).run(worker.message())
    finally:
        attempts.broker.middleware.remove(hook)
    assert (job.state, job.reason) == (State.DEAD, "its end could not be decided: MiddlewareError: the hook is broken")


@pytest.mark.both_stores
def test_a_row_that_cannot_be_stored_leaves_those_of_other_jobs_written(database: Database) -> None:
    worker = hired(database)
    one, other = claimed(database, worker), claimed(database, worker)
    bad: Any = [1]

    running_attempts._write_each([(one.seq, 1, bad, None, None), (other.seq, 1, 3, 4, "well")], settle.note_progress)
    running_attempts._write_each([(one.seq, 1, 1, bad, "info", "lost"), (other.seq, 1, 1, 1, "info", "kept")], attempt_logs.write)

    job = look(database, other.id)
    assert (job.progress_done, job.progress_total, job.progress_message) == (3, 4, "well")
    with database.read() as session:
        assert [line.text for line in attempt_logs.read(session, other.seq)] == ["kept"]


def test_the_recursion_of_a_value_is_refused_in_words(attempts: Attempts) -> None:
    def give() -> Any:
        deep: list[Any] = []
        for _ in range(sys.getrecursionlimit() * 2):
            deep = [deep]
        return deep

    def circle() -> Any:
        round: list[Any] = []
        round.append(round)
        return round

    with declared(give) as deep, declared(circle) as round:
        assert "nested more than 200 levels deep" in str(attempts.run(deep.message()).reason)
        assert "Circular reference" in str(attempts.run(round.message()).reason)
