"""A misspelt or foreign keyword is refused with the right word, wherever Python code gives one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest

import src.actors
from src.jobs.workflows import canvas
from src.schedules import cron, every

assert src.actors  # first: it makes the broker

WRONG: list[tuple[Callable[..., Any], tuple[Any, ...], str, str]] = [
    (cron, ("* * * * *",), "zon", "cron() has no argument 'zon': do you mean zone?"),
    (cron, ("* * * * *",), "tz", "cron() has no argument 'tz': write zone."),
    (cron, ("* * * * *",), "misfire_grace_time", "cron() has no argument 'misfire_grace_time': write grace."),
    (cron, ("* * * * *",), "expire", "cron() has no argument 'expire'. The arguments are: spec, zone, args, "),
    (every, (5,), "jiter", "every() has no argument 'jiter': do you mean jitter?"),
    (every, (5,), "start_date", "every() has no argument 'start_date': write starts_at."),
    (canvas.group, (), "on_sucess", "group() has no argument 'on_sucess': do you mean on_success?"),
    (canvas.group, (), "on_failure", "group() has no argument 'on_failure': write on_error."),
    (canvas.link, (1,), "then", "link() has no argument 'then': write on_success."),
    (canvas.chain, (), "on_error", "chain() has no argument 'on_error'. Its parts have no names: wrap it, link(chain(…), on_error=…)."),
]


@pytest.mark.parametrize(("function", "args", "name", "words"), WRONG, ids=lambda value: getattr(value, "__name__", str(value))[:30])
def test_a_wrong_keyword_names_the_right_one(function: Callable[..., Any], args: tuple[Any, ...], name: str, words: str) -> None:
    with pytest.raises(TypeError) as refused:
        function(*args, **{name: 1})
    assert str(refused.value)[: len(words)] == words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("prioriti", "prioriti (do you mean priority?)"),
        ("name", "name (write actor_name)"),
        ("cron", "cron (write periodic=cron(…))"),
        ("timeout", "timeout (write time_limit in milliseconds)"),
        ("retry", "retry (write max_retries)"),
        ("countdown", "countdown (it belongs to one call: send_with_options(delay=…))"),
        ("rate", "rate (write rate_limit)"),
        ("nothing_like_it", "nothing_like_it (name an option of your own in actor_options of the middleware that reads it)"),
    ],
)
def test_a_wrong_option_of_an_actor_names_the_right_one(name: str, words: str) -> None:
    def act() -> None: ...

    options: dict[str, Any] = {name: 1}
    with pytest.raises(ValueError, match="actor options are undefined") as refused:
        dramatiq.actor(**options)(act)
    assert str(refused.value) == f"The following actor options are undefined: {words}"


@pytest.mark.parametrize(
    ("args", "cure"),
    [
        ({"x": 1}, "args must be a list or tuple, not {'x': 1}: pass it as kwargs="),
        ("ab", "args must be a list or tuple, not 'ab': write ('ab',)"),
        (b"ab", "args must be a list or tuple, not b'ab': write (b'ab',)"),
        ({1}, "args must be a list or tuple, not {1}: write a list, which has an order"),
        (5, "args must be a list or tuple, not 5: write (5,)"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [lambda **how: src.actors.broker.actors["act_on_jobs"].message_with_options(**how), lambda **how: every(60, **how)],
    ids=["message", "schedule"],
)
def test_arguments_that_would_come_apart_are_refused_with_the_cure(call: Any, args: Any, cure: str) -> None:
    with pytest.raises(TypeError) as caught:
        call(args=args)
    assert str(caught.value) == cure
    with pytest.raises(TypeError, match="kwargs must be a mapping, not 'ab'"):
        call(kwargs="ab")


def test_other_sequences_are_arguments() -> None:
    call: Any = src.actors.broker.actors["act_on_jobs"].message_with_options
    assert (call(args=[1, 2]).args, call(args=range(2), kwargs=None).args, every(60, args=()).draft.args) == ((1, 2), (0, 1), [])
