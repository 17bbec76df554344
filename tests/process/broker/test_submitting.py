"""Submission options that an actor declares."""

from __future__ import annotations

from typing import Any

import pytest
from dramatiq import Actor
from dramatiq.brokers.stub import StubBroker

from src.broker.options.errors import InvalidOption
from src.broker.options.submission import SubmissionOptions
from src.jobs.submit import defaults


def declared(**options: Any) -> Actor[Any, Any]:
    """An actor with these submission options."""

    def add(x: int, y: int = 2) -> int:
        return x + y

    return Actor(
        add, broker=StubBroker(middleware=[SubmissionOptions()]), actor_name="told", queue_name="default", priority=0, options=options
    )


def test_one_call_has_one_key_however_its_arguments_are_given() -> None:
    actor = declared(unique=True)

    keys = {defaults.of("told").unique_key(message) for message in (actor.message(1, 2), actor.message(x=1, y=2), actor.message(1))}

    assert len(keys) == 1
    assert defaults.of("told").unique_key(actor.message(2)) not in keys


def test_arguments_that_do_not_fit_have_a_key_too() -> None:
    assert defaults.of("told").unique_key(declared(unique=True).message_with_options(args=(1, 2, 3)))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"unique": "now and then"}, "unique must"),
        ({"expires": 0}, "expires must"),
        ({"broker_priority": 10}, "broker_priority must"),
        ({"fair_by": "who"}, "fair_by must"),
    ],
)
def test_a_senseless_option_is_refused_at_import(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidOption, match=f"told: {complaint}"):
        declared(**options)
