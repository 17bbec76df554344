"""The blocks of Celery's page Periodic tasks, one test each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

import src.actors
from src.broker.options.periodic import complete_owners, declarations
from src.celery import Celery
from src.celery.base.differences import UnknownName
from src.celery.exceptions import ImproperlyConfigured, Unsupported
from src.celery.schedules import crontab, maybe_schedule, schedule, solar
from src.schedules.rows.drafts import Draft


@pytest.fixture
def add(app: Celery) -> Any:
    @app.task(name="tasks.add")
    def add(x: int, y: int) -> int:
        return x + y

    return add


def draft(name: str) -> Draft:
    return declarations(src.actors.broker)[name].of(name)


def test_the_zone_of_the_configuration_is_that_of_crontabs(app: Celery, add: Any) -> None:
    app.conf.timezone = "Europe/London"
    app.conf.beat_schedule = {"daily": {"task": "tasks.add", "schedule": crontab(hour=7, minute=30), "args": (1, 1)}}
    app.finalize()

    assert (draft("daily").cron, draft("daily").zone) == ("30 7 * * *", "Europe/London")


def test_tasks_are_scheduled_when_the_module_is_complete(app: Celery) -> None:
    @app.on_after_configure.connect
    def setup_periodic_tasks(sender: Celery, **kwargs: Any) -> None:
        sender.add_periodic_task(10.0, test.s("hello"), name="add every 10")
        sender.add_periodic_task(30.0, test.s("hello"), name="add every 30")
        sender.add_periodic_task(30.0, test.s("world"), expires=10)
        sender.add_periodic_task(crontab(hour=7, minute=30, day_of_week=1), test.s("Happy Mondays!"))

    @app.task(name="tasks.test")
    def test(arg: str) -> str:
        return arg

    app.finalize()

    assert (draft("add every 10").every_s, draft("add every 10").args) == (10, ["hello"])
    assert draft("add every 30").every_s == 30
    world = "tasks.test('world')"
    assert (draft(world).every_s, src.actors.broker.actors[world].options["expires"]) == (30, timedelta(seconds=10))
    assert draft("tasks.test('Happy Mondays_')").cron == "30 7 * * 1"
    assert src.actors.broker.actors["add every 10"].fn("hello") == "hello"


def test_calls_whose_names_would_be_equal_have_schedules_of_their_own(app: Celery, add: Any) -> None:
    long = "x" * 150
    names = [app.add_periodic_task(60, add.s(word, 1)) for word in ("daily:eu", "daily/eu", f"{long}1", f"{long}2")]
    app.finalize()

    assert names[0] == "tasks.add('daily_eu', 1)"  # as before: a new name would begin a new history
    assert [draft(name).args for name in names] == [["daily:eu", 1], ["daily/eu", 1], [f"{long}1", 1], [f"{long}2", 1]]
    assert max(map(len, names)) == 150


def test_a_call_that_is_scheduled_twice_without_a_name_is_warned_of(app: Celery, add: Any) -> None:
    app.add_periodic_task(60, add.s(1, 1))
    with capture_logs() as logs:
        app.add_periodic_task(60, add.s(1, 1))
        app.add_periodic_task(60, add.s(1, 1), name="by name")
        app.add_periodic_task(30, add.s(1, 1), name="by name")
    assert logs == []
    with capture_logs() as logs:
        app.add_periodic_task(crontab(hour=3), add.s(1, 1))

    assert [(each["event"], each["schedule"]) for each in logs] == [("periodic_task_replaced", "tasks.add(1, 1)")]


def test_a_schedule_of_the_configuration(app: Celery, add: Any) -> None:
    app.conf.beat_schedule = {
        "add-every-30-seconds": {"task": "tasks.add", "schedule": 30.0, "args": (16, 16), "options": {"queue": "urgent", "priority": 8}}
    }
    app.conf.timezone = "UTC"
    app.finalize()

    made = draft("add-every-30-seconds")
    actor = src.actors.broker.actors["add-every-30-seconds"]
    assert (made.every_s, made.args, made.kwargs) == (30, [16, 16], {})
    assert (actor.queue_name, actor.options["broker_priority"]) == ("urgent", 8)


def test_a_schedule_may_change_later(app: Celery, add: Any) -> None:
    app.finalize()
    app.conf.beat_schedule = {"often": {"task": "tasks.add", "schedule": timedelta(minutes=1), "args": (1, 1)}}
    assert draft("often").every_s == 60
    app.conf.beat_schedule = {"often": {"task": "tasks.add", "schedule": schedule(120), "args": (1, 1)}}

    assert draft("often").every_s == 120
    app.conf.beat_schedule = {}

    assert "often" not in declarations(src.actors.broker)
    assert {"celery:proj", "celery:proj:tests.unit.celery.conftest:default"} <= complete_owners


def test_a_crontab_is_made_from_its_five_fields() -> None:
    assert crontab.from_string("30 7 * 1,6 mon").expression == "30 7 * 1,6 mon"
    with pytest.raises(ValueError, match="five fields"):
        crontab.from_string("@daily")


def test_applications_of_one_name_in_two_modules_own_different_entries(app: Celery) -> None:
    made: dict[str, Any] = {"Celery": Celery, "__name__": "shop.celery"}
    exec("class Own(Celery):\n    def __init__(self):\n        super().__init__('proj')\napp = Own()", made)
    made["app"].finalize()

    assert "celery:proj:shop.celery:default" in complete_owners


def test_every_monday_morning(app: Celery, add: Any) -> None:
    app.conf.beat_schedule = {"mondays": {"task": "tasks.add", "schedule": crontab(hour=7, minute=30, day_of_week=1), "args": (16, 16)}}
    app.finalize()

    assert draft("mondays").rule.next(datetime(2026, 11, 28, tzinfo=UTC)) == datetime(2026, 11, 30, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "expression"),
    [
        (crontab(), "* * * * *"),
        (crontab(minute=0, hour=0), "0 0 * * *"),
        (crontab(minute=0, hour="*/3"), "0 */3 * * *"),
        (crontab(minute=0, hour="0,3,6,9,12,15,18,21"), "0 0,3,6,9,12,15,18,21 * * *"),
        (crontab(minute="*/15"), "*/15 * * * *"),
        (crontab(day_of_week="sunday"), "* * * * sunday"),
        (crontab(minute="*", hour="*", day_of_week="sun"), "* * * * sun"),
        (crontab(minute="*/10", hour="3,17,22", day_of_week="thu,fri"), "*/10 3,17,22 * * thu,fri"),
        (crontab(minute=0, hour="*/2,*/3"), "0 */2,*/3 * * *"),
        (crontab(minute=0, hour="*/3,8-17"), "0 */3,8-17 * * *"),
        (crontab(0, 0, day_of_month="2"), "0 0 2 * *"),
        (crontab(0, 0, day_of_month="2-30/2"), "0 0 2-30/2 * *"),
        (crontab(0, 0, day_of_month="1-7,15-21"), "0 0 1-7,15-21 * *"),
        (crontab(0, 0, day_of_month="11", month_of_year="5"), "0 0 11 5 *"),
        (crontab(0, 0, month_of_year="*/3"), "0 0 * */3 *"),
        (crontab(minute={0, 30}, hour=[1, 2]), "0,30 1,2 * * *"),
    ],
)
def test_crontabs_of_the_table(rule: crontab, expression: str) -> None:
    assert rule.expression == expression
    assert rule.declaration().draft.cron == expression


def test_the_suns_events_are_refused() -> None:
    with pytest.raises(Unsupported, match="solar is not available: its events depend on the sun's position"):
        solar("sunset", -37.81753, 144.96715)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: crontab(hour=25), "hour"),
        (lambda: crontab(minute=None), "minute must be a number"),
        (lambda: crontab(day_of_month=1, day_of_week=1), "restrict one of them"),
        (lambda: schedule(0.5), "whole number of seconds"),
        (lambda: schedule(float("nan")), "whole number of seconds"),
        (lambda: schedule(float("inf")), "whole number of seconds"),
        (lambda: schedule(0), "above 0"),
        (lambda: crontab(nowfun=print), "nowfun"),
        (lambda: schedule(10).is_due(None), "is_due"),
    ],
)
def test_a_rule_without_a_counterpart_is_refused_where_it_is_written(make: Any, complaint: str) -> None:
    with pytest.raises(Exception, match=complaint):
        make()


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"task": "tasks.unknown", "schedule": 30}, "Task of kind tasks.unknown never registered"),
        ({"task": "tasks.add"}, "an entry is a dictionary with task and schedule"),
        ({"task": "tasks.add", "schedule": 30, "options": {"countdown": 3}}, "'countdown' is not an option of an entry"),
        ({"task": "tasks.add", "schedule": 30, "options": {"routing_key": "x"}}, "apply_async(routing_key=) is not available"),
        ({"task": "tasks.add", "schedule": 0.5}, "whole number of seconds"),
        ({"task": "tasks.add", "schedule": 30, "args": (object(), 1)}, "Object of type object is not JSON serializable"),
    ],
)
def test_an_entry_that_cannot_work_is_named_when_the_application_loads(
    entry: dict[str, Any], complaint: str, app: Celery, add: Any
) -> None:
    app.conf.beat_schedule = {"wrong": entry}

    with pytest.raises(ImproperlyConfigured) as caught:
        app.finalize()
    assert "beat_schedule['wrong']" in str(caught.value)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("name", ["", 5])
def test_a_name_that_no_schedule_can_have_is_refused(name: Any, app: Celery, add: Any) -> None:
    app.conf.beat_schedule = {name: {"task": "tasks.add", "schedule": 30, "args": (1, 1)}}

    with pytest.raises(ImproperlyConfigured, match="the name of an entry must be a text that is not empty"):
        app.finalize()


def test_names_in_an_entry_that_celery_does_not_know_are_warned_of_and_left_out(app: Celery, add: Any) -> None:
    app.conf.beat_schedule = {
        "described": {
            "task": "tasks.add", "schedule": 30, "description": "adds", "argz": (),
            "options": {"queue": "default", "colour": "red", "retry": True, "routing_key": None},
        }
    }  # fmt: skip

    with pytest.warns(UnknownName) as caught:
        app.finalize()
    assert {str(warning.message).partition(":")[0].partition(".")[0] for warning in caught} == {
        "'description' is not a key of beat_schedule['described']",
        "'argz' is not a key of beat_schedule['described']",
        "'colour' is not an option of beat_schedule['described']",
    }
    assert draft("described").every_s == 30


def test_an_entry_that_is_not_enabled_has_no_schedule(app: Celery, add: Any) -> None:
    app.conf.beat_schedule = {"off": {"task": "tasks.add", "schedule": 30, "enabled": False}}
    app.finalize()

    assert "off" not in declarations(src.actors.broker)


def test_schedules_compare_by_their_rule() -> None:
    assert (crontab(hour=7), maybe_schedule(30), maybe_schedule(crontab())) == (crontab(hour=7), schedule(timedelta(seconds=30)), crontab())
    assert crontab(hour=7) != crontab(hour=8)
    assert len({crontab(), crontab()}) == 1
