"""The survey of an application: what is found, what differs, and what must be changed by hand, each with its line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from src.celery.exceptions import ImproperlyConfigured
from src.celery.survey import loading, report, sources
from src.celery.survey.inventory import Inventory


@pytest.fixture
def proj(tmp_path: Path) -> Path:
    write(tmp_path / "proj" / "__init__.py", "from .celery import app as celery_app\n")
    write(tmp_path / "proj" / "celery.py", "from callboard.celery import Celery\napp = Celery('proj')\n")
    return tmp_path / "proj"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(dedent(text))


def surveyed(folder: Path, text: str, name: str = "tasks.py") -> Inventory:
    """Survey an application with this module."""
    write(folder / name, text)
    found = Inventory()
    report.survey(sources.read(folder), found)
    return found


def changes(found: Inventory) -> list[tuple[int, str]]:
    return [(place.line, text) for place, text in sorted(found.changes)]


def test_tasks_are_found_by_every_way_to_an_application(proj: Path) -> None:
    write(proj / "factory.py", "from celery import Celery\ndef make(name):\n    app = Celery(name)\n    return app\n")
    found = surveyed(
        proj,
        """\
        import celery
        from celery import Task, current_app, shared_task
        from proj import celery_app
        from .factory import make
        other = make("x")

        @celery_app.task(queue="mail", rate_limit="10/m")
        def one(): ...

        @shared_task
        def two(): ...

        @other.task(name="three")
        def three(): ...

        @celery.shared_task()
        def four(): ...

        @current_app.task
        def five(): ...

        class Six(Task):
            name = "six"
            def run(self): ...

        class Base(Task):
            def on_failure(self, *args): ...

        def no_task(): ...
        """,
    )

    assert {each.name: each.place.line for each in found.tasks} == {
        "proj.tasks.one": 8, "proj.tasks.two": 11, "three": 14, "proj.tasks.four": 17, "proj.tasks.five": 20, "six": 22,
    }  # fmt: skip
    assert next(each.options for each in found.tasks if each.name == "proj.tasks.one") == {"queue": "'mail'", "rate_limit": "'10/m'"}
    assert [text for text, _ in found.bases] == ["Six (run, name)", "Base (on_failure)"]
    assert list(found.differences) == ["task(rate_limit=)"]
    assert [str(place) for place in found.imports] == ["factory.py:1", "tasks.py:1", "tasks.py:2"]


def test_what_is_refused_is_named_with_its_line_and_the_cure(proj: Path) -> None:
    found = surveyed(
        proj,
        """\
        from callboard.celery import shared_task, signals
        from callboard.celery.bin import worker
        from callboard.celery.utils.functional import regen, uniq
        from django_celery_beat.models import PeriodicTask
        from .celery import app

        @shared_task(bind=True, serializer="pickle", interval_start=1)
        def one(self):
            self.retry(queue="other", countdown=3)
            self.send_event("seen")
            app.control.broadcast("x")
            one.apply_async(routing_key="x", countdown=None, colour="red")

        @app.task
        async def two(): ...

        @signals.task_received.connect
        def seen(**_): ...
        """,
    )
    said = changes(found)

    for line, text in (
        (2, "celery.bin is not available"),
        (3, "celery.utils.functional.regen is not available"),
        (4, "django_celery_beat needs Celery itself"),
        (7, "task(serializer=) is not available"),
        (9, "retry(queue=) is not available"),
        (10, "Task.send_event is not available"),
        (11, "app.control.broadcast is not available"),
        (12, "apply_async(routing_key=) is not available"),
        (12, "'colour' is not an option of apply_async()"),
        (15, "proj.tasks.two is a coroutine function"),
        (17, "The signal task_received is never sent"),
    ):
        assert any(each == line and complaint.startswith(text) for each, complaint in said), (line, text, said)
    assert len(said) == 11
    assert [(place.line, text) for place, text in found.unread] == [
        (7, "interval_start= is not an option of a task: it becomes an attribute, and is warned of.")
    ]
    assert found.imports == []


def test_configuration_is_read_where_it_is_written(proj: Path) -> None:
    write(
        proj / "settings.py",
        """\
        from datetime import timedelta
        from callboard.celery.schedules import crontab
        OWN_URL = "redis+socket://localhost"
        CELERY_BROKER_URL = OWN_URL
        APPS = ["django_celery_beat"]
        CELERY_TASK_SERIALIZER = "pickle"
        CELERY_OWN_NAME = 1
        CELERY_SEND_TASK_SENT_EVENT = CELERYD_PREFETCH_MULTIPLIER = True
        CELERY_BEAT_SCHEDULE = {
            "hourly": {"task": "proj.tasks.one", "schedule": timedelta(hours=1)},
            "often": {"task": "proj.tasks.one", "schedule": 0.5, "options": {"headers": {}}, "description": "x"},
            "either": {"task": "proj.tasks.one", "schedule": crontab(0, 0, day_of_week=1, day_of_month=1)},
        }
        CELERY_TASK_ROUTES = {"proj.*": {"queue": "mail"}, "x": {"exchange": "y"}}
        """,
    )
    found = surveyed(
        proj,
        """\
        from .celery import app
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.conf.update(worker_max_memory_per_child=1000)
        app.conf.timezone = "Europe/Berlin"
        app.tasks["old"] = app.tasks["new"]
        """,
    )

    assert [text.partition(":")[0] for text, _ in found.schedules] == ["hourly", "often", "either"]
    assert [text for text, _ in found.routes] == ["proj.* -> {'queue': 'mail'}", "x -> {'exchange': 'y'}"]
    assert {text.partition(":")[0] for text, _ in found.keys} == {
        "broker_url", "task_serializer", "beat_schedule", "task_routes", "worker_max_memory_per_child", "timezone",
        "task_send_sent_event", "worker_prefetch_multiplier",
    }  # fmt: skip
    assert [(str(place), text.partition(":")[0][:44]) for place, text in sorted(found.changes)] == [
        ("settings.py:4", "The broker redis+socket"),
        ("settings.py:5", "django_celery_beat needs Celery itself"),
        ("settings.py:6", "task_serializer='pickle' is not available"),
        ("settings.py:11", "beat_schedule['often']"),
        ("settings.py:11", "run_every must be a whole number of seconds "),
        ("settings.py:12", "crontab(day_of_month= and day_of_week=) is n"),
        ("settings.py:14", "apply_async(exchange=) is not available"),
        ("tasks.py:3", "worker_max_memory_per_child is not available"),
        ("tasks.py:5", "app.tasks[name] = task is not available"),
    ]
    assert [(str(place), text.partition(":")[0]) for place, text in sorted(found.unread)] == [
        ("settings.py:7", "CELERY_OWN_NAME"),
        ("settings.py:11", "beat_schedule['often']"),
    ]


def test_values_that_cannot_be_computed_are_left_to_the_eye(proj: Path) -> None:
    found = surveyed(
        proj,
        """        from datetime import timedelta
        from .celery import app
        app.conf.beat_schedule = {"x": {"task": "t", "schedule": timedelta(lightyears=1)}, "y": {"task": "t", "schedule": 1 / 0}}
        app.conf.task_time_limit = "a" + 1
        """,
    )

    assert [text.partition(":")[0] for text, _ in found.schedules] == ["x", "y"]


def test_the_dictionary_of_another_module_is_found_by_its_name_in_flasks_configuration(proj: Path) -> None:
    write(proj / "config.py", 'CELERY_CONFIG = {"broker_url": "redis://h", "timezone": "UTC"}\n')
    found = surveyed(
        proj, "from .celery import app\napp.conf.update(flask.config.get('CELERY_CONFIG', {}))\napp.conf.update(flask.config)\n"
    )

    assert [str(place) for _, place in found.keys] == ["config.py:1", "config.py:1"]
    assert [(str(place), text[:40]) for place, text in sorted(found.changes)] == [
        ("config.py:1", "The broker redis: is not RabbitMQ. Take i"[:40]),
    ]
    assert [str(place) for place, _ in found.unread] == ["tasks.py:3"]


def test_classes_of_other_packages_are_taken_for_those_of_their_names(proj: Path) -> None:
    write(
        proj / "factory.py", "from celery import Celery\nclass Ours(Celery):\n    def send_task(self, *args, **named): ...\nours = Ours()\n"
    )
    write(proj / "config.py", 'class Config:\n    CELERY = {"timezone": "UTC", "worker_disable_rate_limits": debug()}\n')
    found = surveyed(
        proj,
        """\
        from kombu.exceptions import OperationalError
        from shop_utils.queues import ShopCelery, ShopTask
        from .factory import ours
        shop = ShopCelery()

        @shop.task(name="one", base=ShopTask, **options())
        def one(): ...

        @shop.task(base=ShopTask)
        def two(): ...

        @ours.task
        def three(): ...

        shop.send_task(name="one", queue="q")
        shop.add_periodic_task(60, one.s(), name="each minute")
        """,
    )

    assert [each.name for each in found.tasks] == ["one", "proj.tasks.two", "proj.tasks.three"]
    assert [text for text, _ in found.keys] == [
        "timezone: used, zone of naive times and of crontabs", "worker_disable_rate_limits: refused, write the limit as rate_limit=; it holds across the fleet",
    ]  # fmt: skip
    assert [text for text, _ in found.schedules] == ["each minute: one.s(), 60"]
    assert sorted(found.differences) == ["app.add_periodic_task", "apply_async(queue=)", "override of app.send_task", "schedule"]
    assert [(str(place), text.partition(" ")[0]) for place, text in sorted(found.unread)] == [
        ("config.py:2", "worker_disable_rate_limits=debug()"), ("tasks.py:1", "A"), ("tasks.py:2", "ShopCelery"),
        ("tasks.py:7", "base=ShopTask"), ("tasks.py:7", "one:"),
    ]  # fmt: skip
    assert found.changes == []


def test_workflows_and_differences_are_listed(proj: Path) -> None:
    found = surveyed(
        proj,
        """\
        from callboard.celery import chain, chord, group, shared_task
        from callboard.celery.exceptions import Ignore

        @shared_task(bind=True, acks_late=True)
        def one(self):
            chain(one.s(), one.s())()
            (one.s() | one.si()).delay()
            chord([one.s()], one.s()).on_error(one.s())
            group(one.s(i) for i in range(3))()
            one.apply_async(link_error=one.s())
            result = one.delay()
            result.forget()
            self.update_state(state="PROGRESS", meta={})
            raise Ignore()
        """,
    )

    assert {name: [place.line for place in places] for name, places in found.workflows.items()} == {
        "chain": [6, 7], "chord": [8], "group": [9], "link_error": [8, 10],
    }  # fmt: skip
    assert sorted(found.differences) == [
        "AsyncResult.forget", "Ignore", "chain(failing task)", "chord(failing header)", "link_error", "task(acks_late=)", "update_state(meta=)",
    ]  # fmt: skip
    assert not found.must_change


def test_a_module_is_loaded_with_this_interface_in_the_place_of_celery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    write(
        tmp_path / "swapped_app.py",
        "from celery import Celery\nfrom celery.schedules import solar\napp = Celery('x', set_as_current=False)\nsolar()\n",
    )
    found = Inventory()

    assert loading.load("swapped_app", found) == tmp_path / "swapped_app.py"
    [(place, text)] = found.changes
    assert str(place) == "swapped_app.py:4"
    assert text.startswith("Loading stops here: Unsupported: solar is not available")
    with pytest.raises(ImproperlyConfigured, match="There is no module nowhere_at_all"):
        loading.load("nowhere_at_all", Inventory())
