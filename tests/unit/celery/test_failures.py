"""Exceptions rebuilt from the text that a job keeps of them."""

from __future__ import annotations

import asyncio
import traceback
from datetime import timedelta
from typing import Any

import pytest

from src.celery.base import values
from src.celery.exceptions import MaxRetriesExceededError, Retry, SoftTimeLimitExceeded, TaskError, TimeLimitExceeded
from src.celery.result.failures import rebuilt


class Own(Exception):
    """An exception of an application."""


class OwnBase(BaseException):
    """An exception that `except Exception` shall not swallow in the task."""


@pytest.mark.parametrize(
    "error", [ValueError("a: b"), KeyError("x"), KeyError(3), Own("own"), Own(), OSError("disk\nfull"), MaxRetriesExceededError("no")]
)
def test_an_exception_whose_class_can_be_imported_is_built_again(error: Exception) -> None:
    made = rebuilt(f"{type(error).__name__}: {error}".removesuffix(": "), "".join(traceback.format_exception(error)))

    assert (type(made), made.args) == (type(error), error.args)


def test_another_one_is_a_stand_in_of_the_same_name() -> None:
    made = rebuilt("StripeError: 402 declined", "Traceback (most recent call last):\nstripe_of_elsewhere.errors.StripeError: 402 declined")

    assert (type(made).__name__, str(made)) == ("StripeError", "402 declined")


def test_a_name_that_is_no_exception_is_never_called() -> None:
    made = rebuilt("system: touch /tmp/x", "os.system: touch /tmp/x")

    assert (type(made).__name__, isinstance(made, Exception)) == ("system", True)


@pytest.mark.parametrize(
    "error",
    [SystemExit(0), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), SoftTimeLimitExceeded(), OwnBase("own")],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_that_would_end_the_callers_process_is_one_that_it_catches(error: BaseException) -> None:
    made = rebuilt(f"{type(error).__name__}: {error}".removesuffix(": "), "".join(traceback.format_exception(error)))

    assert isinstance(made, TaskError)
    assert type(made).__name__.endswith(type(error).__name__)
    assert str(made) == str(error)
    assert isinstance(made, type(error)) is isinstance(error, SoftTimeLimitExceeded | OwnBase)  # which no caller takes for its own end


def test_a_class_that_has_no_subclass_which_is_caught_gets_a_stand_in() -> None:
    assert str(rebuilt("BaseExceptionGroup: two (2 sub-exceptions)", None)) == "BaseExceptionGroup(two (2 sub-exceptions))"


def test_limits_have_celerys_names() -> None:
    assert isinstance(rebuilt("TimeLimitExceeded", None), SoftTimeLimitExceeded)
    assert type(rebuilt("HardTimeLimitExceeded: 3 s", None)) is TimeLimitExceeded


@pytest.mark.parametrize(("when", "ms"), [("7", 7000), (timedelta(seconds=5), 5000), (0.5, 500), (None, None)])
def test_a_retry_reads_its_seconds_from_a_text_and_a_timedelta(when: Any, ms: int | None) -> None:
    assert Retry("later", when=when).delay == ms


def test_a_retry_at_no_number_of_seconds_is_refused() -> None:
    with pytest.raises(ValueError, match="when must be a number of seconds, not nan"):
        Retry("later", when=float("nan"))


def test_a_dictionary_that_only_looks_tagged_stays() -> None:
    mine = {"__type__": "datetime", "__value__": "tomorrow"}

    assert values.decode([mine, {"__type__": "x", "__value__": 1}]) == [mine, {"__type__": "x", "__value__": 1}]
