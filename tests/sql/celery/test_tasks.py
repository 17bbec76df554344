"""Tasks: their attempts, retries, requests, hooks and results, run by a real executor."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from structlog.testing import capture_logs

from src.actor_schema.signature import Signature
from src.celery import group, signals, states
from src.celery.core.messages import message
from src.celery.exceptions import (
    ImproperlyConfigured,
    MaxRetriesExceededError,
    QueueNotFound,
    Reject,
    Retry,
    TaskRevokedError,
    TimeoutError,
    Unsupported,
)
from src.celery.result import AsyncResult, rows
from src.jobs.core.errors import JobsError
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.jobs.leases import workers
from src.jobs.limits import overrides
from src.sql.clock import now
from src.sql.database import Database
from tests.actors import celery_tasks as tasks
from tests.actors import endings
from tests.harness.inline import Inline
from tests.harness.jobs import StillClock, look


@pytest.mark.both_stores
def test_delay_runs_the_function_and_its_result_is_read_back(inline: Inline) -> None:
    result = tasks.add.delay(4, 4)

    assert (result.state, result.ready(), result.result) == (states.PENDING, False, None)
    inline.run_all()
    assert (result.get(timeout=1), result.state, result.successful(), result.info) == (8, states.SUCCESS, True, 8)
    assert (result.name, result.args, result.date_done is not None) == ("tests.actors.celery_tasks.add", [4, 4], True)


def test_a_shared_task_and_a_task_written_as_a_class_run_like_others(inline: Inline) -> None:
    vars(tasks.counter)["calls"] = 0
    first, second = tasks.shared.delay(3), tasks.counter.delay(step=2)
    inline.run_all()

    assert (first.get(1), second.get(1), tasks.counter.app) == (-3, 2, tasks.app)


def test_rich_values_travel_like_with_celerys_serializer(inline: Inline) -> None:
    values = [
        datetime(2030, 1, 2, 3, tzinfo=UTC),
        date(2030, 1, 2),
        Decimal("1.10"),
        UUID(int=7),
        b"\x00\xff",
        timedelta(seconds=3),
        {"a": [Decimal(1)]},
    ]
    result = tasks.keep.delay(*values, when=values[0])
    inline.run_all()

    assert result.get(1) == [values, {"when": values[0]}]


def test_a_failure_is_raised_as_itself(inline: Inline) -> None:
    results = [tasks.fail.delay(), tasks.add.delay(2, "2"), tasks.refuse.delay()]
    inline.run_all()

    with pytest.raises(KeyError, match="broken") as caught:
        results[0].get(timeout=1)
    assert caught.value.args == ("broken",)
    with pytest.raises(TypeError, match="unsupported operand"):
        results[1].get(timeout=1)
    refused = results[2].get(timeout=1, propagate=False)
    assert (type(refused).__name__, str(refused)) == ("Refused", "Refused(7 no)")  # a stand-in: its class takes two arguments
    assert [each.state for each in results] == [states.FAILURE] * 3
    assert "raise KeyError" in str(results[0].traceback)
    assert results[0].failed()


def test_a_failure_is_not_retried_unless_the_task_asks(inline: Inline) -> None:
    result = tasks.fail.delay()
    inline.run_all()

    assert look(inline.database, result.id).attempt == 1


def test_retry_runs_the_job_again_after_its_delay(inline: Inline, time: StillClock) -> None:
    result = tasks.flaky.delay(2)
    inline.run_all()
    assert result.state == states.RETRY
    assert isinstance(result.info, Retry)
    time.forward(59)
    inline.run_all()
    assert look(inline.database, result.id).attempt == 1
    time.forward(1)
    inline.run_all()
    time.forward(60)
    inline.run_all()

    assert (result.get(1), look(inline.database, result.id).attempt) == (2, 3)


def test_after_the_last_retry_the_tasks_own_exception_is_raised(inline: Inline) -> None:
    own, none = tasks.flaky.delay(5, countdown=0), tasks.gives_up.delay()
    inline.run_all()

    with pytest.raises(ConnectionError, match="no answer"):
        own.get(1)
    with pytest.raises(MaxRetriesExceededError, match=rf"Can't retry tests.actors.celery_tasks.gives_up\[{none.id}\]"):
        none.get(1)
    assert [look(inline.database, each.id).attempt for each in (own, none)] == [3, 2]


def test_a_call_of_retry_may_have_its_own_limit_and_time(inline: Inline, time: StillClock) -> None:
    result = tasks.flaky.delay(1, eta=(now() + timedelta(hours=1)).isoformat(), max_retries=1)
    inline.run_all()
    assert look(inline.database, result.id).due_at == now() + timedelta(hours=1)
    time.forward(3600)
    inline.run_all()

    assert result.get(1) == 1


@pytest.mark.parametrize("countdown", [5, 0, None])
def test_a_countdown_comes_before_an_eta_as_in_celery(countdown: Any, inline: Inline, time: StillClock) -> None:
    eta = now() + timedelta(hours=1)
    called = tasks.add.apply_async((1, 1), countdown=countdown, eta=eta)
    retried = tasks.flaky.delay(2, countdown=countdown, eta=eta.isoformat())
    inline.run_all()

    due = now() + timedelta(seconds=countdown) if countdown else eta
    assert [look(inline.database, each.id).due_at for each in (called, retried)] == [due, due]


@pytest.mark.parametrize("countdown", ["120", 120, timedelta(minutes=2)], ids=["text", "number", "timedelta"])
def test_retry_reads_a_countdown_as_apply_async_does(countdown: Any, inline: Inline, time: StillClock) -> None:
    later = now() + timedelta(minutes=2)
    called, retried = tasks.add.apply_async((1, 1), countdown=countdown), tasks.flaky.delay(2, countdown=countdown)
    inline.run_all()

    assert [look(inline.database, each.id).due_at for each in (called, retried)] == [later, later]
    assert look(inline.database, retried.id).error == "Retry: Retry in 120s: ConnectionError('no answer')"


def test_a_task_without_a_delay_of_retries_retries_at_once(inline: Inline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.flaky, "default_retry_delay", None)
    result = tasks.flaky.delay(2)
    inline.run_all()

    assert result.get(1) == 2


@pytest.mark.parametrize("given", [float("nan"), float("inf"), "soon", True])
def test_a_time_that_is_no_number_of_seconds_is_refused(given: Any, inline: Inline) -> None:
    for option in ("countdown", "time_limit", *(["expires"] if given != "soon" else [])):
        with pytest.raises(ValueError, match=f"{option} must be a number of seconds"):
            tasks.add.apply_async((1, 1), **{option: given})
    with pytest.raises(ValueError, match="countdown must be a number of seconds, not"):
        tasks.flaky.apply((2,), {"countdown": given}).get()


@pytest.mark.both_stores
def test_a_retry_may_change_arguments_expiry_and_priority(inline: Inline, time: StillClock) -> None:
    result = tasks.counts_up.delay(1, expires=60, priority=7)
    inline.run_all()

    job = look(inline.database, result.id)
    assert (result.get(1), job.args, job.expires_at, job.priority) == ([2, 1], [2], now() + timedelta(seconds=60), 7)


def test_a_retry_keeps_the_arguments_that_it_does_not_name(inline: Inline) -> None:
    results = [
        tasks.changes_a_part.delay(first=1, second=2, label="kept", args=(2, 3)),
        tasks.changes_a_part.delay(1, 2, kwargs={"first": 2}),
        tasks.changes_a_part.apply((), {"first": 1, "second": 2, "label": "kept", "args": (2, 3)}),
    ]
    inline.run_all()

    assert [each.get(1) for each in results] == [[2, 3, "kept"], [2, 2, ""], [2, 3, "kept"]]


def test_a_retry_to_another_queue_is_refused(inline: Inline) -> None:
    result = tasks.counts_up.delay(1, queue="urgent")
    inline.run_all()

    with pytest.raises(Unsupported, match=r"retry\(queue=\) is not available"):
        result.get(1)


def test_a_running_task_is_pending_unless_it_is_tracked(inline: Inline, monkeypatch: pytest.MonkeyPatch) -> None:
    result = tasks.looks_at_itself.delay()
    inline.run_all()
    monkeypatch.setitem(tasks.app.conf._values, "task_track_started", True)
    tracked = tasks.looks_at_itself.delay()
    inline.run_all()

    assert (result.get(1), tracked.get(1)) == ([states.PENDING, True], [states.STARTED, True])


def test_the_request_has_the_limits_and_properties_of_its_call(inline: Inline) -> None:
    made = message(tasks.its_limits.name, (), {}, {"soft_time_limit": 20, "time_limit": 30, "app_id": "shop"})

    assert made.options["celery"] == {"app_id": "shop"}
    assert tasks.its_limits.apply(app_id="shop").get() == [60, None, "shop"]


def test_purge_cancels_what_waits_and_cleanup_does_nothing(inline: Inline) -> None:
    done = tasks.app.send_task("celery.backend_cleanup")
    inline.run_all()
    waiting = [tasks.add.delay(1, 1), tasks.add.apply_async((1, 1), countdown=60), tasks.limited.delay()]

    assert tasks.app.control.purge() == 3
    assert [each.state for each in waiting] == [states.REVOKED] * 3
    assert (done.state, done.result) == (states.SUCCESS, None)
    assert tasks.app.control.purge() == 0


def test_retry_without_throwing_lets_the_function_go_on(inline: Inline) -> None:
    result = tasks.postpones.delay()
    inline.run_all()

    assert result.get(1) == "attempt 1"


@pytest.mark.parametrize(("kind", "attempts"), [("timeout", 3), ("reset", 1), ("other", 1)])
def test_autoretry_retries_the_named_exceptions_with_backoff(kind: str, attempts: int, inline: Inline, time: StillClock) -> None:
    result = tasks.automatic.delay(kind)
    for seconds in (10, 20, 40):
        inline.run_all()
        time.forward(seconds - 1)
        inline.run_all()
        time.forward(1)
    inline.run_all()

    assert (look(inline.database, result.id).attempt, result.state) == (attempts, states.FAILURE)


def test_self_request_describes_the_attempt(inline: Inline) -> None:
    result = tasks.about.apply_async(headers={"tenant": "a"})
    inline.run_all()

    assert result.get(1) == {
        "id": result.id, "task": "tests.actors.celery_tasks.about", "args": [], "kwargs": {}, "retries": 0, "root_id": result.id, "parent_id": None,
        "group": None, "group_index": None, "headers": {"tenant": "a"}, "called_directly": False, "is_eager": False, "timelimit": [None, None],
        "queue": "default", "current": "tests.actors.celery_tasks.about",
    }  # fmt: skip


def test_a_task_sent_by_a_task_knows_its_parent_and_root(inline: Inline) -> None:
    result = tasks.sends_another.delay(2)
    inline.run_all()

    child = result.get(1)
    assert AsyncResult(child).get(1) == 4
    assert look(inline.database, child).options["celery"] == {"parent_id": result.id, "root_id": result.id}


def test_a_task_that_waits_for_another_one_is_refused(inline: Inline) -> None:
    result = tasks.waits_for_another.delay(2)
    inline.run_all()

    with pytest.raises(RuntimeError, match="use a chain or chord"):
        result.get(1)


def test_ignore_and_reject_end_the_job_without_a_result(inline: Inline) -> None:
    results = [tasks.ignores.delay(), tasks.rejects.delay(requeue=False)]
    again = tasks.rejects.delay(requeue=True)
    inline.run_all()

    assert [look(inline.database, each.id).state for each in results] == [State.CANCELLED, State.DEAD]
    assert look(inline.database, results[0].id).reason == "ignored by the task"
    assert again.get(1) == 1
    with pytest.raises(TaskRevokedError):
        results[0].get(1)
    with pytest.raises(Reject) as caught:
        results[1].get(1)
    assert (caught.value.reason, caught.value.requeue) == ("not now", False)


def test_hooks_of_a_base_class_run_in_order(inline: Inline) -> None:
    tasks.hooks.clear()
    for end in ("retry", "fail"):
        tasks.watched.delay(end)
    inline.run_all()

    assert tasks.hooks == [
        ("before_start", ["retry"]), ("on_retry", "Retry in 0s"),
        ("before_start", ["fail"]), ("on_failure", "ValueError('fail')", True), ("after_return", "FAILURE"),
        ("before_start", ["retry"]), ("on_success", "red"), ("after_return", "SUCCESS"),
    ] or tasks.hooks == [
        ("before_start", ["retry"]), ("on_retry", "Retry in 0s"),
        ("before_start", ["retry"]), ("on_success", "red"), ("after_return", "SUCCESS"),
        ("before_start", ["fail"]), ("on_failure", "ValueError('fail')", True), ("after_return", "FAILURE"),
    ]  # fmt: skip


def test_update_state_is_kept_as_progress(inline: Inline) -> None:
    result = tasks.reports.delay(current=3, total=10)
    inline.run_all()

    job = look(inline.database, result.id)
    assert (job.progress_done, job.progress_total, job.progress_message) == (3, 10, 'PROGRESS {"current":3,"total":10}')
    assert result.state == states.SUCCESS


@pytest.mark.parametrize("name", ["PROGRESS", "IN PROGRESS", "in-progress", "50%", 'the "last" part', "läuft gerade", "10"])
def test_a_state_is_any_text(name: str, inline: Inline) -> None:
    result = tasks.reports.delay(name, current=3)
    inline.run_all()
    job = look(inline.database, result.id)
    assert job.state is State.SUCCEEDED
    job.state = State.RUNNING  # as read before its end

    assert (rows.state_of(job), rows.info_of(job)) == (name, {"current": 3})


def test_progress_that_is_no_state_is_not_read_as_one(inline: Inline) -> None:
    job = Job(state=State.RUNNING, actor="other", progress_message="line 10 of 20")

    assert (rows.state_of(job), rows.info_of(job)) == (states.PENDING, None)


@pytest.mark.parametrize("given", [{"text": "x" * 2000}, {"name": "a state " * 200}])
def test_an_overlong_state_or_meta_fails_with_the_limit(given: dict[str, str], inline: Inline) -> None:
    result = tasks.reports.delay(**given)
    inline.run_all()

    with pytest.raises(ValueError, match="at most 1000 are kept"):
        result.get(1)


def test_without_typing_wrong_arguments_fail_in_the_worker(inline: Inline) -> None:
    results = [tasks.untyped.delay(5), tasks.untyped.delay(5, wrong=5), tasks.untyped.delay(5, 6)]
    inline.run_all()

    assert [each.state for each in results] == [states.FAILURE, states.FAILURE, states.SUCCESS]
    with pytest.raises(TypeError, match="unexpected keyword argument 'wrong'"):
        results[1].get(1)


def test_a_running_task_knows_its_priority(inline: Inline) -> None:
    result = tasks.its_priority.apply_async(priority=7)
    inline.run_all()

    assert result.get(1) == 7


def test_options_of_the_declaration_reach_the_job(inline: Inline, time: StillClock) -> None:
    result = tasks.limited.delay()

    job = look(inline.database, result.id)
    assert (job.queue, job.priority, job.expires_at) == ("urgent", 9, job.created_at + timedelta(seconds=60))
    assert job.actor == "proj.limited"


def test_options_of_a_call_reach_the_job(inline: Inline, time: StillClock) -> None:
    result = tasks.add.apply_async(
        (1, 2), countdown=10, expires=60, queue="urgent", priority=3, task_id="my-own-id", retry=True, retry_policy={}, serializer="json"
    )

    job = look(inline.database, result.id)
    assert (job.id, job.queue, job.priority) == ("my-own-id", "urgent", 3)
    assert (job.due_at, job.expires_at) == (now() + timedelta(seconds=10), now() + timedelta(seconds=60))


def test_a_naive_eta_is_meant_in_the_configurations_zone(inline: Inline, time: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    naive = datetime(2031, 6, 1, 12, tzinfo=UTC).replace(tzinfo=None)
    utc = tasks.add.apply_async((1, 2), eta=naive)
    monkeypatch.setitem(tasks.app.conf._values, "timezone", "Europe/Berlin")
    berlin = tasks.add.apply_async((1, 2), eta=naive)

    assert look(inline.database, utc.id).due_at == datetime(2031, 6, 1, 12, tzinfo=UTC)
    assert look(inline.database, berlin.id).due_at == datetime(2031, 6, 1, 10, tzinfo=UTC)


def test_an_expired_job_is_revoked(inline: Inline, time: StillClock) -> None:
    result = tasks.add.apply_async((1, 2), countdown=100, expires=60)
    time.forward(61)
    inline.run_all()

    assert result.state == states.REVOKED
    with pytest.raises(TaskRevokedError, match="expired"):
        result.get(1)


def test_a_route_decides_the_queue(inline: Inline) -> None:
    result = tasks.routed.delay()

    assert (look(inline.database, result.id).queue, look(inline.database, result.id).priority) == ("hipri", 8)


def test_a_queue_that_no_worker_reads_is_refused_at_the_call(inline: Inline) -> None:
    with pytest.raises(QueueNotFound, match="No worker reads the queue 'nowhere': name it in task_queues"):
        tasks.add.apply_async((1, 2), queue="nowhere")


def test_revoke_cancels_what_waits_and_with_terminate_asks_what_runs(inline: Inline) -> None:
    first, second = tasks.add.delay(1, 1), tasks.add.delay(2, 2)
    first.revoke()
    tasks.app.control.revoke([second.id], terminate=True)
    inline.run_all()

    assert [first.state, second.state] == [states.REVOKED] * 2
    with pytest.raises(TaskRevokedError):
        first.get(1)
    with capture_logs() as logs:
        AsyncResult("an id that was never sent").revoke()
    assert [each["event"] for each in logs] == ["revoke_without_job"]
    with pytest.raises(Unsupported, match=r"revoke\(signal=\)"):
        first.revoke(terminate=True, signal="SIGKILL")


def test_an_unknown_id_is_pending(inline: Inline) -> None:
    result = tasks.app.AsyncResult("this-id-does-not-exist")

    assert (result.state, result.ready(), result.result, result.exists()) == ("PENDING", False, None, False)
    with pytest.raises(TimeoutError):
        result.get(timeout=0.01)


def test_a_task_is_sent_by_name(inline: Inline) -> None:
    known = tasks.app.send_task("tests.actors.celery_tasks.add", args=(1, 2), countdown=0)
    foreign = tasks.app.send_task("elsewhere.task", args=(1,), kwargs={"a": Decimal(2)})
    inline.run(known.id)

    assert known.get(1) == 3
    assert look(inline.database, foreign.id).actor == "elsewhere.task"


def test_a_signature_travels_as_an_argument(inline: Inline) -> None:
    result = tasks.takes_signature.delay(tasks.add.s(10), 5)
    inline.run_all()

    assert AsyncResult(result.get(1)).get(1) == 15


def test_map_and_starmap_run_in_one_job(inline: Inline) -> None:
    sums, products = tasks.xsum.map([[1, 2], [3]]).delay(), tasks.mul.starmap(zip(range(3), range(3), strict=True)).delay()
    inline.run_all()

    assert (sums.get(1), products.get(1)) == ([3, 3], [0, 1, 4])


def test_every_signal_of_a_run_is_sent(inline: Inline) -> None:
    seen: list[Any] = []
    names = ("before_task_publish", "after_task_publish", "task_prerun", "task_success", "task_failure", "task_retry", "task_postrun")
    receivers = {
        name: (lambda name=name, sender=None, **_: seen.append((name, str(sender).rpartition(".")[2].rstrip(">")))) for name in names
    }
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    try:
        tasks.add.delay(1, 2)
        tasks.fail.delay()
        inline.run_all()
    finally:
        for name, receiver in receivers.items():
            getattr(signals, name).disconnect(receiver)

    assert seen == [
        ("before_task_publish", "add"), ("after_task_publish", "add"), ("before_task_publish", "fail"), ("after_task_publish", "fail"),
        ("task_prerun", "add"), ("task_success", "add"), ("task_postrun", "add"),
        ("task_prerun", "fail"), ("task_failure", "fail"), ("task_postrun", "fail"),
    ]  # fmt: skip


@pytest.mark.both_stores
@pytest.mark.parametrize("end", ["waits", "succeeds", "fails"])
def test_an_id_that_has_a_job_is_refused_whatever_its_state(end: str, inline: Inline) -> None:
    first = (tasks.fail if end == "fails" else tasks.keep).apply_async((1,), task_id="refresh-7")
    if end != "waits":
        inline.run_all()
    state = {"waits": State.QUEUED, "succeeds": State.SUCCEEDED, "fails": State.DEAD}[end]
    calls: list[Callable[[], Any]] = [
        lambda: tasks.keep.apply_async((2,), task_id="refresh-7"),
        lambda: tasks.app.send_task("other.task", (2,), task_id="refresh-7"),
        lambda: tasks.keep.s(2).set(task_id="refresh-7").delay(),
        lambda: (tasks.keep.s(2) | tasks.keep.s()).apply_async(task_id="refresh-7"),
        lambda: tasks.keep.apply_async((2,), task_id="refresh-7", link=tasks.keep.s()),
        lambda: group(tasks.keep.s(1).set(task_id="twice"), tasks.keep.s(2).set(task_id="twice")).delay(),
    ]

    for call in calls[:5]:
        with pytest.raises(Unsupported, match=rf"task_id='refresh-7'\): .* is {state}; .*Instead: leave task_id= out"):
            call()
    with pytest.raises(Unsupported, match="task_id='twice'"):
        calls[5]()
    assert [look(inline.database, first.id).args, len(jobs_of(inline.database))] == [[1], 1]


def test_the_id_of_the_running_task_is_refused_like_any_that_has_a_job(inline: Inline) -> None:
    result = tasks.sends_itself.delay()
    inline.run_all()

    assert re.fullmatch(rf"apply_async\(task_id='{result.id}'\): .* is running; .*", result.get(1))
    assert len(jobs_of(inline.database)) == 1


@pytest.mark.both_stores
def test_a_call_whose_unique_key_has_a_job_returns_that_jobs_result(inline: Inline) -> None:
    call, values = endings.once.actor_name, ("one",)
    results = [tasks.app.send_task(call, values), tasks.app.send_task(call, values), tasks.app.send_task(call, values, task_id="mine")]
    with receiving(before_task_publish=lambda headers, **_: headers.update(trace="x")):
        results += [tasks.app.send_task(call, values), tasks.app.send_task(call, values, task_id="mine")]
    taken = tasks.keep.delay().id
    with pytest.raises(Unsupported, match=f"task_id='{taken}'"):
        tasks.app.send_task(call, values, task_id=taken)

    assert {result.id for result in results} == {job.id for job in jobs_of(inline.database) if job.actor == call}
    inline.run_all()
    assert [result.get(timeout=1) for result in results] == ["once one"] * 5


@pytest.mark.both_stores
def test_two_calls_with_an_id_at_the_same_time_make_one_job_and_one_error(inline: Inline, database: Database) -> None:
    errors: list[Exception] = []

    def call(number: int) -> None:
        try:
            tasks.keep.apply_async((number,), task_id="same")
        except Unsupported as error:
            errors.append(error)

    threads = [Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(errors), len(jobs_of(database))) == (3, 1)


def jobs_of(database: Database) -> list[Job]:
    with database.read() as session:
        return list(session.execute(select(Job)).scalars())


@contextmanager
def receiving(**receivers: Any) -> Iterator[None]:
    """Connect receivers to the signals of these names."""
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    try:
        yield
    finally:
        for name, receiver in receivers.items():
            getattr(signals, name).disconnect(receiver)


def test_receivers_of_a_publication_see_the_message_of_celery(inline: Inline, time: StillClock) -> None:
    seen: list[dict[str, Any]] = []
    at = now() + timedelta(hours=1)
    with receiving(before_task_publish=lambda **named: seen.append(named), after_task_publish=lambda **named: seen.append(named)):
        result = tasks.keep.apply_async(
            (1, at), {"a": b"x"}, eta=at, expires=7200, time_limit=9, priority=3, headers={"tenant": "t"}, retries=1
        )
    before, after = seen
    headers = before["headers"]

    assert headers.pop("origin").startswith(f"gen{os.getpid()}@")
    assert headers == {
        "tenant": "t", "lang": "py", "task": tasks.keep.name, "id": result.id, "shadow": None, "eta": at.isoformat(),
        "expires": (now() + timedelta(hours=2)).isoformat(), "group": None, "group_index": None, "retries": 1, "timelimit": [9, None], "root_id": result.id,
        "parent_id": None, "argsrepr": repr((1, at)), "kwargsrepr": "{'a': b'x'}", "ignore_result": False, "replaced_task_nesting": 0,
        "stamped_headers": None, "stamps": {},
    }  # fmt: skip
    assert before["body"] == ((1, at), {"a": b"x"}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None})
    assert before["properties"] == {"correlation_id": result.id, "reply_to": "", "priority": 3}
    assert (before["routing_key"], after["routing_key"]) == ("default", "default")
    assert after["headers"] is headers
    assert after["body"] is before["body"]


def test_what_a_receiver_sets_reaches_the_task(inline: Inline) -> None:
    def receive(headers: Any, properties: Any, body: Any, **_: Any) -> None:
        headers["trace"] = {"id": 7}
        headers.update(root_id="the root", shadow="other", argsrepr="***", expires="2040-01-02T03:04:05+00:00")
        headers["stamps"], headers["group"] = {"mine": 1}, "the group"
        properties.update(priority=8, correlation_id="the request", reply_to="there")
        body[1]["added"] = Decimal("1.5")

    names = ("trace", "headers", "root_id", "shadow", "argsrepr", "stamps", "group", "correlation_id", "reply_to", "kwargs")
    with receiving(before_task_publish=receive):
        alone = tasks.its_request.delay(*names)
        behind = (tasks.keep.si(1) | tasks.its_request.si(*names)).delay()
    inline.run_all()

    expected = {
        "trace": {"id": 7}, "headers": {"trace": {"id": 7}}, "root_id": "the root", "shadow": "other", "argsrepr": "***",
        "stamps": {"mine": 1}, "group": "the group", "correlation_id": "the request", "reply_to": "there", "kwargs": {"added": Decimal("1.5")},
    }  # fmt: skip
    for result in (alone, behind):
        job = look(inline.database, result.id)
        assert (result.get(1), job.priority, job.expires_at) == (expected, 8, datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_a_receiver_may_change_start_and_limits(inline: Inline, time: StillClock) -> None:
    at = now() + timedelta(hours=3)
    with receiving(before_task_publish=lambda headers, **_: headers.update(eta=at.isoformat(), headers={"x": 1})):
        results = [tasks.its_request.apply_async(("headers",), countdown=60), group(tasks.its_request.s("headers").set(countdown=60))()[0]]
    assert [look(inline.database, each.id).due_at for each in results] == [at, at]
    time.forward(3 * 3600)
    inline.run_all()

    assert [each.get(1) for each in results] == [{"headers": {"x": 1}}] * 2
    with receiving(before_task_publish=lambda headers, **_: headers.update(eta=None)):
        results = [tasks.keep.apply_async((1,), countdown=60), group(tasks.keep.s(1).set(countdown=60))()[0]]
    assert [(found.due_at, found.state) for found in (look(inline.database, each.id) for each in results)] == [(None, State.QUEUED)] * 2
    with receiving(before_task_publish=lambda headers, **_: headers.update(timelimit=[60, 30])):
        limited = look(inline.database, tasks.its_request.delay().id)
    assert (limited.options["hard_time_limit"], limited.options["time_limit"], limited.options["isolated"]) == (60_000, 30_000, True)


def test_a_receiver_that_fails_is_logged_and_the_task_is_sent(inline: Inline) -> None:
    def receive(headers: Any, **_: Any) -> None:
        headers["early"] = 1
        raise KeyError("broken")

    with receiving(before_task_publish=receive, after_task_publish=receive):
        result = tasks.its_request.delay("early")
    inline.run_all()

    assert result.get(1) == {"early": 1}


@pytest.mark.parametrize(
    ("receive", "complaint"),
    [
        (lambda headers, **_: headers.update(id="x"), r"changed id: .*: pass task_id="),
        (lambda headers, **_: headers.update(task="x"), r"changed task: "),
        (lambda body, **_: body[2].update(callbacks=[1]), r"changed embed: .*: pass link="),
    ],
)
def test_a_receiver_cannot_change_what_is_a_row_of_its_own(receive: Any, complaint: str, inline: Inline) -> None:
    with receiving(before_task_publish=receive), pytest.raises(ImproperlyConfigured, match=complaint):
        tasks.add.delay(1, 1)


@pytest.mark.parametrize("given", [datetime(2030, 1, 2, 3, tzinfo=UTC), "2030-01-02T03:00:00Z"])
def test_a_hint_converts_an_argument_and_the_result_of_an_earlier_task(given: Any, inline: Inline) -> None:
    direct, behind, nested = tasks.year.delay(given), (tasks.echo.s(given) | tasks.year.s()).delay(), tasks.year.delay(when=given)
    inline.run_all()

    assert [each.get(1) for each in (direct, behind, nested)] == [2030] * 3
    assert Signature.of(tasks.year.actor).json_schema()["properties"]["when"]["format"] == "date-time"


@pytest.mark.parametrize("password", ["open sesame", SecretStr("open sesame")])
def test_a_secret_is_sealed_in_the_row_and_opened_for_the_task(password: Any, inline: Inline) -> None:
    result = tasks.unlock.delay(password)
    inline.run_all()

    assert result.get(1) == 11
    assert "open sesame" not in str(look(inline.database, result.id).args)


def test_control_inspects_workers_and_jobs(inline: Inline) -> None:
    running, later = tasks.add.delay(1, 1), tasks.add.apply_async((2, 2), countdown=600)
    look_at = tasks.app.control.inspect()
    name = inline.process.lease.name

    assert look_at.ping() == {name: {"ok": "pong"}}
    assert tasks.app.control.ping() == [{name: {"ok": "pong"}}]
    assert (look_at.registered() or {})[name] == sorted(inline.broker.actors)
    assert [each["id"] for each in (look_at.reserved() or {})["callboard"]] == [running.id]
    assert [each["request"]["id"] for each in (look_at.scheduled() or {})["callboard"]] == [later.id]
    assert (look_at.query_task(running.id) or {})["callboard"][running.id][0] == "queued"
    assert (look_at.active() or {})[name] == []
    assert (look_at.stats() or {})[name]["pool"]["implementation"] == "threads"
    assert tasks.app.control.inspect(destination=["other@elsewhere"]).ping() is None


def test_control_limits_pauses_and_stops(inline: Inline, database: Database) -> None:
    control, name = tasks.app.control, inline.process.lease.name

    assert control.rate_limit("tests.actors.celery_tasks.add", "10/m") == [{name: {"ok": "new rate limit set successfully"}}]
    assert control.cancel_consumer("default") == [{name: {"ok": "no longer consuming from default"}}]
    with database.read() as session:
        in_force = overrides.load(session)
        assert in_force.value("actor", "tests.actors.celery_tasks.add", overrides.RATE_LIMIT) == "10/m"
        assert [str(each.target) for each in in_force.pauses(now())] == ["queue:default"]

    control.rate_limit("tests.actors.celery_tasks.add", 0)
    control.add_consumer("default")
    control.shutdown()

    with database.read() as session:
        assert overrides.load(session).pauses(now()) == []
        assert [each.wish for each in workers.alive(session)] == ["stop"]
    with pytest.raises(JobsError, match="no actor named"):
        control.rate_limit("misspelt", "10/m")


def test_a_revoked_task_has_its_signal_only_if_it_runs(inline: Inline) -> None:
    seen: list[Any] = []

    with receiving(task_revoked=lambda request, **named: seen.append((request.id, named["terminated"], named["expired"]))):
        waiting, running = tasks.add.delay(1, 1), tasks.is_revoked.delay()
        waiting.revoke()
        inline.run(running.id)

    assert (waiting.state, running.state, seen) == (states.REVOKED, states.REVOKED, [(running.id, True, False)])
