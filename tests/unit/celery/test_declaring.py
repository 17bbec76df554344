"""Declaration of tasks: names, options, base classes, and errors with their cures."""

from __future__ import annotations

import functools
import importlib
import inspect
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from src import celery
from src.celery import Celery, Task, exceptions, shared_task, uuid
from src.celery._state import get_current_app, get_current_task
from src.celery.app import app_or_default
from src.celery.app.declaring import task_name
from src.celery.base.differences import UnknownName
from src.celery.core.messages import message
from src.celery.exceptions import Retry, SoftTimeLimitExceeded, Unsupported
from src.celery.utils import functional, imports, log, serialization, time


def test_a_task_is_named_by_module_and_function(app: Celery) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    assert add.name == f"{__name__}.add"
    assert (task_name("proj", "__main__", "add"), task_name(None, "__main__", "add")) == ("proj.add", "__main__.add")
    assert app.tasks[add.name] is add
    assert repr(add) == f"<@task: {add.name}>"


def test_an_application_may_name_and_send_its_tasks_in_its_own_way() -> None:
    class Shop(Celery):
        def gen_task_name(self, name: str, module: str) -> str:
            return f"shop.{super().gen_task_name(name, module.removesuffix('.tasks'))}"

        def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
            return name, args, kwargs, options

    shop = Shop("shop", set_as_current=False)

    @shop.task
    def add(x: int, y: int) -> int:
        return x + y

    assert add.name == f"shop.{__name__}.add"
    assert add.delay(1, y=2) == add.s(1).delay(y=2) == (add.name, (1,), {"y": 2}, {})
    assert add.signature((1, 2), queue="mail").apply_async() == (add.name, (1, 2), {}, {"queue": "mail"})


def test_a_name_is_declared_once(app: Celery) -> None:
    first = app.task(name="tests.declared_once")(lambda: 1)

    assert app.task(name="tests.declared_once")(lambda: 2) is first


def test_options_become_those_of_the_actor(app: Celery) -> None:
    task = app.task(
        name="t", rate_limit=5, soft_time_limit=10, time_limit=20, queue="q1", priority=7, expires=30, acks_late=True, track_started=True
    )(print_all)

    options = task.actor.options
    assert {name: options[name] for name in ("rate_limit", "time_limit", "hard_time_limit", "broker_priority", "max_retries")} == {
        "rate_limit": "5/s", "time_limit": 10_000, "hard_time_limit": 20_000, "broker_priority": 7, "max_retries": None,
    }  # fmt: skip
    assert (task.actor.queue_name, task.actor.fn.__doc__) == ("q1", "Print all.")
    assert options["retry_when"](0, Retry()) is True
    assert options["retry_when"](0, ValueError()) is False


def print_all(*args: Any) -> None:
    """Print all."""


def test_without_a_limit_a_task_has_none(app: Celery) -> None:
    task = app.task(name="t")(print_all)
    assert task.actor.options["time_limit"] == float("inf")
    app.conf.task_soft_time_limit = 5

    assert task.actor.options["time_limit"] == 5000


def test_a_bound_task_has_the_parameters_of_its_function(app: Celery) -> None:
    @app.task(bind=True)
    def about(self: Task, x: int, y: str = "a") -> str:
        return f"{self.name} {x} {y}"

    assert list(about.actor_signature.parameters) == ["x", "y"]
    assert about(1) == f"{__name__}.about 1 a"


def test_a_base_class_keeps_its_attributes(app: Celery) -> None:
    class Base(Task):
        database = "main"
        max_retries = 9

    task = app.task(name="t", base=Base, database="other")(print_all)

    assert (task.database, task.max_retries, isinstance(task, Base)) == ("other", 9, True)


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"routing_key": "media"}, Unsupported, "use queue="),
        ({"serializer": "pickle"}, Unsupported, "pass serializer='json'"),
        ({"rate_limit": 0.5}, ValueError, "30/m"),
        (
            {"autoretry_for": OSError},
            TypeError,
            "wrong.autoretry_for must be a tuple of exception classes, not <class 'OSError'>: write (OSError,)",
        ),
        ({"autoretry_for": ["OSError"]}, TypeError, "a tuple of exception classes, not ['OSError']"),
        ({"autoretry_for": (OSError("x"),)}, TypeError, "a tuple of exception classes"),
        ({"dont_autoretry_for": OSError}, TypeError, "dont_autoretry_for must be a tuple of exception classes"),
        ({"max_retries": "3"}, TypeError, "wrong.max_retries must be a whole number or None, not '3'"),
        ({"max_retries": True}, TypeError, "a whole number or None, not True"),
        ({"default_retry_delay": "soon"}, ValueError, "wrong.default_retry_delay must be a number of seconds, not 'soon'"),
        ({"retry_backoff": "yes"}, TypeError, "wrong.retry_backoff must be True, False or a number of seconds, not 'yes'"),
        ({"retry_backoff": float("nan")}, TypeError, "retry_backoff must be"),
        ({"retry_backoff": float("inf")}, TypeError, "retry_backoff must be"),
        ({"retry_backoff_max": timedelta(minutes=1)}, TypeError, "wrong.retry_backoff_max must be a number of seconds"),
        ({"retry_kwargs": ["countdown"]}, TypeError, "wrong.retry_kwargs must be a mapping, not ['countdown']"),
        ({"retry_kwargs": {"countdown": "soon"}}, ValueError, "wrong.retry_kwargs['countdown'] must be a number of seconds, not 'soon'"),
        ({"retry_kwargs": {"max_retries": "3"}}, TypeError, "wrong.retry_kwargs['max_retries'] must be a whole number or None"),
        ({"retry_kwargs": {"priority": 10}}, ValueError, "priority must be a whole number from 0 to 9"),
        ({"retry_kwargs": {"max_retires": 3}}, TypeError, "'max_retires' is not an argument of retry(): do you mean 'max_retries'?"),
        ({"retry_kwargs": {"queue": "slow"}}, Unsupported, "retry(queue=) is not available"),
    ],
)
def test_a_wrong_option_is_refused_at_the_declaration(options: dict[str, Any], error: type[Exception], complaint: str, app: Celery) -> None:
    with pytest.raises(error) as caught:
        app.task(name="wrong", **options)(print_all)

    assert complaint in str(caught.value)


def test_options_of_retries_take_what_retries_can_use(app: Celery) -> None:
    class Transient:
        """A base of exceptions that is none itself."""

    options: dict[str, Any] = {
        "autoretry_for": [OSError, (KeyError, Transient)], "dont_autoretry_for": None, "max_retries": float("inf"),
        "default_retry_delay": "30", "retry_backoff": 0.5, "retry_backoff_max": 600.0,
        "retry_kwargs": {"countdown": timedelta(seconds=3), "max_retries": None, "throw": True},
    }  # fmt: skip
    task = app.task(name="right", **options)(print_all)

    assert task.max_retries == float("inf")
    assert app.task(name="at_once", default_retry_delay=None)(print_all).default_retry_delay is None


def test_an_unknown_option_is_kept_and_warned_of_once(app: Celery) -> None:
    with pytest.warns(
        UnknownName, match="'max_retires' is not an option of a task.*: do you mean 'max_retries'.*It has no effect"
    ) as warned:
        task = app.task(name="t", max_retires=3)(print_all)
    app.task(name="t2", max_retires=3)(print_all)

    assert task.max_retires == 3
    assert [each.filename for each in warned] == [__file__]


def test_a_coroutine_function_is_refused(app: Celery) -> None:
    async def later() -> None: ...

    with pytest.raises(TypeError, match=r"@dramatiq\.actor"):
        app.task(later)


@pytest.mark.parametrize(
    "use",
    [
        lambda app, task: task.backend, lambda app, task: task.send_event("x"), lambda app, task: app.backend, lambda app, task: app.amqp,
        lambda app, task: app.control.inspect().memdump(), lambda app, task: app.worker_main([]), lambda app, task: app.steps,
        lambda app, task: app.connection(), lambda app, task: Celery("x", loader="y"), lambda app, task: app.events,
        lambda app, task: app.AsyncResult("x").then(print), lambda app, task: app.ResultSet().iter_native(),
    ],
)  # fmt: skip
def test_an_interface_without_a_counterpart_names_itself_and_the_cure(use: Any, app: Celery) -> None:
    with pytest.raises(Unsupported, match=r"is not available: .*\. Instead: .*\."):
        use(app, app.task(name="t")(print_all))


def test_the_soft_limit_is_the_workers_own_interrupt() -> None:
    assert not issubclass(SoftTimeLimitExceeded, Exception)


def test_limits_of_a_call_are_in_milliseconds_and_ask_for_a_process(app: Celery) -> None:
    app.task(name="t")(print_all)
    made = message("t", (), {}, {"soft_time_limit": 1.5, "time_limit": 3, "headers": {"a": 1}})

    assert made.options == {"time_limit": 1500, "hard_time_limit": 3000, "isolated": True, "celery": {"headers": {"a": 1}}}


def test_a_request_is_pushed_and_popped_by_a_test_of_a_task(app: Celery) -> None:
    @app.task(bind=True)
    def which(self: Task) -> str | None:
        return self.request.id

    which.push_request(id="mine")
    assert (which.request.id, which.run()) == ("mine", "mine")
    which.pop_request()
    assert which.run() is None


def test_helpers_have_celerys_names(app: Celery) -> None:
    assert (app_or_default(app), app_or_default().main, len(uuid())) == (app, "proj", 36)
    assert issubclass(exceptions.BackendStoreError, exceptions.BackendError)
    with pytest.raises(AttributeError, match=r"celery.exceptions.WorkerShutdown is not available: .* Instead: use app.control.shutdown"):
        exceptions.WorkerShutdown  # noqa: B018


def test_helpers_of_celerys_utils_return_what_celery_returns() -> None:
    noon = datetime(2026, 7, 1, 12)  # noqa: DTZ001 - what these helpers are for
    berlin = ZoneInfo("Europe/Berlin")

    assert list(functional.chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(functional.uniq("abca")) == ["a", "b", "c"]
    assert [functional.maybe_list(each) for each in (None, [1], "text", {"a": 1}, 2)] == [None, [1], ["text"], [{"a": 1}], [2]]
    assert (functional.first(None, [None, 2]), functional.first(bool, [0, 3]), functional.pass1(1, 2)) == (2, 3, 1)
    assert (imports.qualname(Task), imports.symbol_by_name("decimal:Decimal"), imports.symbol_by_name(Task)) == (
        "src.celery.task.task.Task",
        Decimal,
        Task,
    )
    assert imports.instantiate("decimal.Decimal", "1") == Decimal(1)
    assert [serialization.strtobool(each) for each in ("YES", "off", 7)] == [True, False, 7]
    with pytest.raises(TypeError, match="Cannot coerce 'maybe' to type bool"):
        serialization.strtobool("maybe")
    assert (time.maybe_timedelta(3), time.maybe_iso8601(""), time.maybe_iso8601("2026-07-01T12:00:00")) == (
        timedelta(seconds=3),
        None,
        noon,
    )
    assert [time.rate(each) for each in ("120/m", "3600/h", "0.5", 4, None)] == [2, 1, 0.5, 4, 0]
    assert time.maybe_make_aware(noon, berlin) == time.localize(time.to_utc(noon), berlin) == noon.replace(hour=14, tzinfo=berlin)
    assert time.maybe_make_aware(noon, berlin, naive_as_utc=False) == time.make_aware(noon, berlin)
    assert [log.mlevel(each) for each in ("debug", 30)] == [10, 30]


def test_the_current_application_and_task_have_their_second_names(app: Celery) -> None:
    @app.task(bind=True)
    def which(self: Task) -> bool:
        return get_current_task() is self

    assert (get_current_app(), get_current_task(), which.apply().get()) == (app, None, True)
    assert celery.__version__ == ".".join(map(str, celery.VERSION[:3]))


def test_a_shared_task_takes_the_base_class_of_the_current_application(app: Celery) -> None:
    calls: list[str] = []

    class InContext(Task):
        """As in Flask's pattern: each call is made within the application's context."""

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            calls.append(self.name)
            return super().__call__(*args, **kwargs)

    @shared_task(bind=True, name="shared.two")
    def two(self: Task) -> bool:
        return bool(self.request.called_directly)

    with_base = Celery("flask", task_cls=InContext)
    with_base.config_from_object({"task_ignore_result": True})

    assert isinstance(two, InContext)
    assert (two.apply().get(), two(), calls) == (False, True, ["shared.two"] * 2)


def in_context(base: type[Task], calls: list[str]) -> type[Task]:
    """Return a base class as in Flask's pattern: each call is made within the application's context."""

    class InContext(base):  # type: ignore[misc, valid-type]
        rate_limit = "7/m"

        def __init__(self) -> None:
            self.entered = calls

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            self.entered.append(self.name)
            return self.run(*args, **kwargs)

    return InContext


def test_a_base_class_that_the_application_gets_later_is_that_of_its_tasks(app: Celery) -> None:
    calls: list[str] = []

    class Own(Task):
        """A base class of one task."""

    app.task(name="t.own", base=Own)(lambda: 0)
    app.task(name="t.one")(lambda: 1)
    shared_task(name="t.two")(lambda: 2)
    app.Task = in_context(app.Task, calls)
    app.task(name="t.three")(lambda: 3)
    shared_task(name="t.four")(lambda: 4)

    assert [app.tasks[f"t.{name}"].apply().get() for name in ("own", "one", "two", "three", "four")] == [0, 1, 2, 3, 4]
    assert calls == ["t.one", "t.two", "t.three", "t.four"]
    assert [app.tasks[name].actor.options.get("rate_limit") for name in ("t.own", "t.one", "t.two")] == [None, "7/m", "7/m"]
    other = Celery("other")
    assert [app.tasks[name].app for name in ("t.one", "t.two", "t.four")] == [app, other, other]
    app.tasks["t.two"].apply()
    assert calls[4:] == []


class_calls: list[str] = []
Contextual = in_context(Task, class_calls)


@pytest.mark.parametrize("how", ["attribute", "string"])
def test_an_application_may_name_the_class_of_its_tasks(how: str, app: Celery) -> None:
    class Shop(Celery):
        task_cls = Contextual

    class_calls.clear()
    shop = Shop("shop") if how == "attribute" else Celery("shop", task_cls=f"{__name__}:Contextual")
    shop.task(name="t.one")(lambda: 1)
    shared_task(name="t.two")(lambda: 2)

    assert [shop.tasks[name].apply().get() for name in ("t.one", "t.two")] == [1, 2]
    assert class_calls == ["t.one", "t.two"]


def test_a_task_has_the_names_of_its_function(app: Celery) -> None:
    task = app.task(name="t")(print_all)

    assert (task.__name__, task.__qualname__, task.__module__, task.__doc__) == ("print_all", "print_all", __name__, "Print all.")
    assert functools.wraps(task)(lambda: None).__name__ == "print_all"
    assert inspect.get_annotations(task) == print_all.__annotations__
    with_class = app.register_task(type("ByClass", (Task,), {"run": lambda self: 1}))
    assert with_class.__name__ == "ByClass"


def test_an_overridden_call_is_used_for_an_attempt(app: Celery) -> None:
    class Doubled(Task):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return 2 * super().__call__(*args, **kwargs)

    @app.task(base=Doubled, bind=True, name="t")
    def count(self: Task, left: int) -> int:
        assert self.request.called_directly is (left == 0)
        return 1 if left == 0 else self(left - 1)

    assert count.apply((1,)).get() == 4


@pytest.mark.parametrize("name", ["contrib.abortable", "contrib.anything.at_all", "worker", "bootsteps", "beat", "backends.redis"])
def test_a_module_without_a_counterpart_names_itself_and_the_cure(name: str) -> None:
    with pytest.raises(ImportError, match=rf"celery\.{name.split('.')[0]}.* is not available: .* Instead: "):
        importlib.import_module(f"src.celery.{name}")
    with pytest.raises(ImportError, match="Instead: use the signals worker_process_init"):
        from src.celery import bootsteps  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'src\.celery\.nothing'"):
        importlib.import_module("src.celery.nothing")


def test_modules_have_celerys_names() -> None:
    for name, attribute in (
        ("app.task", "Task"), ("utils.log", "get_task_logger"), ("utils", "uuid"), ("schedules", "crontab"), ("result", "AsyncResult"), ("canvas", "chain"),
        ("signals", "task_success"), ("exceptions", "Retry"), ("states", "PENDING"),
    ):  # fmt: skip
        assert hasattr(importlib.import_module(f"src.celery.{name}"), attribute)


def test_a_second_name_for_a_task_is_refused(app: Celery) -> None:
    with pytest.raises(Unsupported, match=r"app.tasks\[name\] = task is not available: a task is an actor of one name"):
        app.tasks["old.name"] = object()
