"""Eager runs: apply(), and task_always_eager, with shapes, retries and links."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from src.celery import Celery, EagerResult, chain, chord, group, states
from src.jobs.submit.submission import new_id
from tests.actors import celery_tasks as tasks
from tests.actors.celery_tasks import add, fail, flaky, keep, log_error, mul, xsum


@pytest.fixture
def eager() -> Iterator[Celery]:
    tasks.app.conf.task_always_eager = True
    yield tasks.app
    tasks.app.conf.update(task_always_eager=False, task_eager_propagates=False)


def test_apply_runs_the_task_here() -> None:
    result = add.apply((2, 2))

    assert (type(result), result.get(), result.state, result.ready()) == (EagerResult, 4, states.SUCCESS, True)


def test_a_failure_is_kept_or_raised() -> None:
    failed = fail.apply()

    assert (failed.state, failed.failed(), "KeyError" in str(failed.traceback)) == (states.FAILURE, True, True)
    with pytest.raises(KeyError):
        failed.get()
    with pytest.raises(KeyError):
        fail.apply(throw=True)


def test_retries_happen_at_once() -> None:
    assert flaky.apply((2,)).get() == 2
    with pytest.raises(ConnectionError):
        flaky.apply((3,)).get()


def test_a_direct_call_of_a_retrying_task_raises_its_exception() -> None:
    with pytest.raises(ConnectionError):
        flaky(1)
    assert flaky(0) == 0


def test_request_of_an_eager_run() -> None:
    found = tasks.about.apply(headers={"a": 1}).get()

    assert (found["is_eager"], found["called_directly"], found["headers"], found["current"]) == (True, False, {"a": 1}, tasks.about.name)


def test_an_eager_run_begins_with_the_retries_and_the_family_that_it_is_given() -> None:
    names = ("retries", "root_id", "parent_id", "group", "group_index", "logfile", "loglevel")
    given: dict[str, Any] = {
        "root_id": "root",
        "parent_id": "parent",
        "group_id": "group",
        "group_index": 1,
        "logfile": "a.log",
        "loglevel": 10,
    }

    assert tasks.its_request.apply(names, retries=2, **given).get() == dict(zip(names, (2, *given.values()), strict=True))
    with pytest.raises(ConnectionError):  # of two retries none is left
        flaky.apply((3,), retries=2).get()
    assert flaky.apply((2,), retries=1).get() == 2


def test_results_of_eager_runs_are_handed_to_a_callback(eager: Celery) -> None:
    seen: list[Any] = []
    group(add.s(1, 1), add.s(2, 2)).apply_async().get(callback=lambda id, value: seen.append(value))
    fail.apply().get(propagate=False, callback=lambda id, value: seen.append(type(value)))

    assert seen == [2, 4, KeyError]


def test_always_eager_sends_nothing(eager: Celery) -> None:
    assert (add.delay(2, 2).get(), ~add.s(2, 2)) == (4, 4)
    assert fail.delay().state == states.FAILURE
    eager.conf.task_eager_propagates = True
    with pytest.raises(KeyError):
        fail.delay()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: chain(add.s(2, 2), mul.s(3)), 12),
        (lambda: group(add.s(1, 1), add.s(2, 2)), [2, 4]),
        (lambda: chord([add.s(1, 1), add.s(2, 2)], xsum.s()), 6),
        (lambda: chain(add.s(1, 1), group(mul.s(2), mul.s(3)), xsum.s()), 10),
        (lambda: add.chunks([(1, 1), (2, 2), (3, 3)], 2), [[2, 4], [6]]),
        (lambda: add.starmap([(1, 1), (2, 2)]), [2, 4]),
    ],
)
def test_shapes_run_eagerly(call: Any, expected: Any, eager: Celery) -> None:
    assert call().apply().get() == expected
    assert call().delay().get() == expected


def test_links_run_eagerly(eager: Celery) -> None:
    seen: list[Any] = []

    @eager.task(name="tests.eager.note")
    def note(*args: Any) -> None:
        seen.append(args)

    add.apply_async((2, 2), link=note.s("a"))
    fail.apply_async(link_error=note.s("b"))
    request, exception, _traceback, last = seen[1]

    assert seen[0] == (4, "a")
    assert (type(exception), last, request.task) == (KeyError, "b", fail.name)
    assert log_error.apply((request, exception, "Traceback")).get()[1] == "KeyError"
    assert keep(1) == [[1], {}]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (lambda note: (add.s(1, 1) | add.s(2)).apply_async(link=note.s("link")), [(4, "link")]),
        (lambda note: (add.s(1, 1) | add.s(2)).apply(link=note.s("link")), [(4, "link")]),
        (lambda note: (add.s(1, 1) | fail.si()).apply_async(link=note.s("link"), link_error=note.si("error")), [("error",)]),
        (lambda note: (fail.si() | add.s(1)).on_error(note.si("error")).delay(), [("error",)]),
        (lambda note: (add.s(1, 1) | fail.si()).on_error(note.si("own")).apply_async(link_error=note.si("call")), [("own",), ("call",)]),
        (lambda note: group(fail.s(), add.s(1, 1)).apply_async(link_error=note.si("error")), [("error",)]),
        (lambda note: group(add.s(1, 1), add.s(2, 2)).apply_async(link=note.s("link")), [(2, "link"), (4, "link")]),
    ],
)
def test_links_of_shapes_run_eagerly(run: Any, expected: Any, eager: Celery) -> None:
    seen: list[Any] = []

    @eager.task(name=f"tests.eager.noted_{new_id()}")
    def noted(*args: Any) -> None:
        seen.append(args)

    run(noted)

    assert seen == expected
