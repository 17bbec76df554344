"""The blocks of Celery's pages Next steps and Calling, one test each, as far as the canvas page has no such block."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from src.celery import AsyncResult, group, signature, states
from src.celery.app import beat
from src.celery.conf.conf import Conf
from src.celery.exceptions import ImproperlyConfigured, OperationalError, QueueNotFound, Unsupported
from src.jobs.core.states import State
from src.sql.clock import now
from src.sql.database import Database
from tests.actors.celery_tasks import add, app, changes_a_part, fail, flaky, keep, log_error, mul, reports
from tests.harness.inline import Inline
from tests.harness.jobs import StillClock, look
from tests.harness.stores import using


def test_delay_is_a_short_form_of_apply_async(inline: Inline) -> None:
    sent = [keep.delay(1, 2, a="x"), keep.apply_async(args=[1, 2], kwargs={"a": "x"}), keep.apply_async((1, 2), {"a": "x"})]
    inline.run_all()

    assert [each.get(timeout=1) for each in sent] == [[[1, 2], {"a": "x"}]] * 3


def test_queue_and_countdown_are_options_of_a_call(inline: Inline, time: StillClock) -> None:
    job = look(inline.database, add.apply_async((2, 2), queue="urgent", countdown=10).id)

    assert (job.queue, job.due_at) == ("urgent", now() + timedelta(seconds=10))


def test_calling_the_task_runs_it_here(inline: Inline) -> None:
    assert add(2, 2) == 4


def test_the_id_of_a_result_is_that_of_its_job(inline: Inline) -> None:
    result = add.delay(2, 2)

    assert (result.id, result.task_id, str(result)) == (look(inline.database, result.id).id, result.id, result.id)


def test_arguments_that_do_not_fit_are_refused_at_the_call(inline: Inline) -> None:
    with pytest.raises(TypeError, match=r"tests.actors.celery_tasks.add\(\) missing a required argument: 'y'"):
        add.delay(2)
    with pytest.raises(TypeError, match="too many positional arguments"):
        add.delay(2, 2, 2)


@pytest.mark.parametrize(
    "call",
    [
        lambda args: add.apply_async(args),
        lambda args: add.apply(args),
        lambda args: add.signature(args),
        lambda args: signature(add.name, args=args),
        lambda args: add.s().apply_async(args),
        lambda args: group(add.s()).apply(args),
        lambda args: add.s().clone(args),
        lambda args: app.send_task(add.name, args),
        lambda args: app.send_task("only.workers.know.it", args),
        lambda args: changes_a_part.apply((1, 2), {"args": args}, throw=True),
    ],
    ids=["apply_async", "apply", "task.signature", "signature", "partial", "group", "clone", "by name", "unknown name", "retry"],
)
def test_arguments_that_are_no_list_are_refused_at_the_call(call: Any, inline: Inline) -> None:
    with pytest.raises(TypeError, match=r"args must be a list or tuple, not \{'x': 1, 'y': 2\}: pass it as kwargs="):
        call({"x": 1, "y": 2})
    with pytest.raises(TypeError, match=r"args must be a list or tuple, not 'ab': write \('ab',\)"):
        call("ab")


@pytest.mark.parametrize(
    "call",
    [
        lambda kwargs: add.apply_async(kwargs=kwargs),
        lambda kwargs: signature(add.name, kwargs=kwargs),
        lambda kwargs: app.send_task("only.workers.know.it", kwargs=kwargs),
    ],
    ids=["apply_async", "signature", "unknown name"],
)
def test_keyword_arguments_that_are_no_mapping_are_refused_at_the_call(call: Any, inline: Inline) -> None:
    with pytest.raises(TypeError, match=r"kwargs must be a mapping, not \[\('x', 1\), \('y', 2\)\]"):
        call([("x", 1), ("y", 2)])


def test_an_entry_of_beat_with_a_text_as_its_arguments_is_refused() -> None:
    conf = Conf(lambda: None)
    conf["beat_schedule"] = {"wrong": {"task": add.name, "schedule": 60, "args": "ab"}}
    with pytest.raises(ImproperlyConfigured, match=r"beat_schedule\['wrong'\]: args must be a list or tuple, not 'ab'"):
        beat.declare(conf, beat.Place("other", "tests"))


def test_the_states_of_a_job_that_is_retried(inline: Inline, time: StillClock) -> None:
    result = flaky.delay(2)
    seen = [result.state]
    for _ in range(3):
        inline.run_all()
        seen.append(result.state)
        time.forward(60)

    assert seen == [states.PENDING, states.RETRY, states.RETRY, states.SUCCESS]


def test_a_link_continues_with_the_result(inline: Inline) -> None:
    result = add.apply_async((2, 2), link=[add.s(16), keep.s()])
    inline.run_all()

    assert result.get(1) == 4


def test_link_error_runs_after_a_failure(inline: Inline) -> None:
    fail.apply_async(link_error=log_error.s())
    inline.run_all()


def test_progress_is_polled_not_sent(inline: Inline) -> None:
    result = reports.delay(progress=50)

    with pytest.raises(Unsupported, match=r"AsyncResult.get\(on_message=\) is not available: .* Instead: poll .state and .info"):
        result.get(on_message=print, propagate=False)


def test_countdown_and_eta(inline: Inline, time: StillClock) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    soon, later = add.apply_async((2, 2), countdown=3), add.apply_async((2, 2), eta=tomorrow)
    inline.run_all()

    assert [look(inline.database, each.id).state for each in (soon, later)] == [State.SCHEDULED] * 2
    assert look(inline.database, later.id).due_at == tomorrow
    time.forward(3)
    inline.run_all()
    assert soon.get() == 4


def test_expires_takes_seconds_and_instants(inline: Inline, time: StillClock) -> None:
    instant = datetime.now(UTC) + timedelta(days=1)
    found = [
        look(inline.database, add.apply_async((10, 10), expires=expires).id).expires_at for expires in (60, instant, timedelta(minutes=1))
    ]

    assert found == [now() + timedelta(seconds=60), instant, now() + timedelta(minutes=1)]


@pytest.mark.parametrize(
    "options", [{"retry": False}, {"retry": True, "retry_policy": {"max_retries": 3, "interval_start": 0}}, {"serializer": "json"}]
)
def test_options_of_the_publication_are_accepted(options: dict[str, Any], inline: Inline) -> None:
    result = add.apply_async((2, 2), **options)
    inline.run_all()

    assert result.get(1) == 4


def test_a_database_that_is_away_is_an_operational_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Database(f"sqlite:///{tmp_path}")  # a folder cannot be opened
    with using(gone, monkeypatch), pytest.raises(add.OperationalError, match="the job was not stored, the database is away") as caught:
        add.delay(2, 2)
    gone.engine.dispose()
    assert caught.type is OperationalError


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        ({"serializer": "pickle"}, "pass serializer='json', or leave it out"),
        ({"compression": "zlib"}, "take the option out"),
        ({"publisher": object()}, "take the option out"),
        ({"producer": object()}, "take the option out"),
        ({"connection": object()}, "take the option out"),
        ({"exchange": "media"}, "use queue="),
        ({"routing_key": "media.video"}, "use queue="),
        ({"shadow": "other"}, "give the task a name="),
        ({"argsrepr": "***"}, "SecretStr"),
    ],
)
def test_an_option_without_a_counterpart_names_itself_and_the_cure(options: dict[str, Any], cure: str) -> None:
    with pytest.raises(Unsupported) as caught:
        add.apply_async((2, 2), **options)

    assert f"apply_async({next(iter(options))}=)" in str(caught.value)
    assert cure in str(caught.value)


def test_an_unknown_option_names_the_nearest_one() -> None:
    with pytest.raises(TypeError, match=r"'countdwn' is not an option of apply_async\(\): do you mean 'countdown'\?"):
        add.apply_async((2, 2), countdwn=3)


def test_many_calls_are_sent_as_a_group(inline: Inline) -> None:
    result = group(add.s(i, j) for i, j in [(2, 2), (4, 4), (8, 8), (16, 16)]).apply_async()
    inline.run_all()

    assert result.get() == [4, 8, 16, 32]


def test_a_priority_is_one_of_ten(inline: Inline) -> None:
    assert look(inline.database, add.apply_async((2, 2), priority=9).id).priority == 9
    with pytest.raises(ValueError, match="from 0 to 9, of which 9 is the most urgent"):
        add.apply_async((2, 2), priority=10)


def test_a_route_of_the_configuration_and_a_queue_of_the_call(inline: Inline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        app.conf._values,
        "task_routes",
        [{"*.mul": "hipri"}, lambda name, args, kwargs, options, task=None, **_: {"queue": "urgent"} if name.endswith("keep") else None],
    )

    assert [look(inline.database, each.id).queue for each in (mul.delay(1, 1), keep.delay(), add.delay(1, 1))] == [
        "hipri",
        "urgent",
        "default",
    ]
    assert look(inline.database, add.apply_async((2, 2), queue="hipri").id).queue == "hipri"
    with pytest.raises(QueueNotFound):
        add.apply_async((2, 2), queue="lopri")


def test_an_ignored_result_is_none_for_the_caller_and_kept_for_later_steps(inline: Inline) -> None:
    result, behind = add.apply_async((1, 2), ignore_result=True), (add.s(1, 2).set(ignore_result=True) | add.s(1)).delay()
    assert (result.get(), result.ignored) == (None, True)
    inline.run_all()

    assert (result.result, result.state, AsyncResult(result.id).get(1), behind.get(1)) == (None, states.SUCCESS, None, 4)
    assert look(inline.database, result.id).result == 3
