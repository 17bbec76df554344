"""The blocks of Celery's page First steps, one test each: the application and its configuration."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.celery import Celery, current_app, shared_task
from src.celery.base.differences import UnknownName
from src.celery.exceptions import ImproperlyConfigured
from src.settings import get_settings


def test_one_key_is_set_as_an_attribute(app: Celery) -> None:
    app.conf.task_serializer = "json"

    assert (app.conf.task_serializer, app.conf["task_serializer"]) == ("json", "json")


def test_many_keys_are_set_at_once(app: Celery) -> None:
    app.conf.update(task_serializer="json", accept_content=["json"], result_serializer="json", timezone="Europe/Oslo", enable_utc=True)

    assert (app.conf.timezone, str(app.timezone), app.conf.get("enable_utc")) == ("Europe/Oslo", "Europe/Oslo", True)


def test_a_module_of_configuration(app: Celery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "celeryconfig_of_a_test.py").write_text(
        "import os\nresult_backend = 'rpc://'\ntask_serializer = 'json'\ntimezone = 'Europe/Oslo'\nOWN = 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    app.config_from_object("celeryconfig_of_a_test")

    assert app.conf.timezone == "Europe/Oslo"


def test_a_route_and_an_annotation_from_the_configuration(app: Celery) -> None:
    @app.task(name="tasks.add")
    def add(x: int, y: int) -> int:
        return x + y

    app.conf.task_routes = {"tasks.add": "low-priority"}
    app.conf.task_annotations = {"tasks.add": {"rate_limit": "10/m"}}

    assert (add.actor.queue_name, add.actor.options["rate_limit"], add.rate_limit) == ("low-priority", "10/m", "10/m")


def test_names_of_django_settings_and_old_names(app: Celery) -> None:
    settings = SimpleNamespace(
        CELERY_TASK_ROUTES={"a": "q"}, CELERY_BEAT_SCHEDULE={}, INSTALLED_APPS=[], CELERYX=1,
        CELERY_SEND_TASK_SENT_EVENT=True, CELERYD_CONCURRENCY=3,
    )  # fmt: skip
    app.config_from_object(settings, namespace="CELERY")
    app.config_from_object({"CELERY_TIMEZONE": "Europe/Rome", "CELERYD_TASK_TIME_LIMIT": 30, "CELERY_ALWAYS_EAGER": True})

    assert (app.conf.task_routes, app.conf.timezone, app.conf.task_time_limit, app.conf.task_always_eager) == (
        {"a": "q"},
        "Europe/Rome",
        30,
        True,
    )
    assert (app.conf.task_send_sent_event, app.conf.worker_concurrency) == (True, 3)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"task_serializer": "pickle"}, "task_serializer='pickle' is not available: only json"),
        ({"accept_content": ["json", "pickle"]}, "accept_content"),
        ({"worker_max_memory_per_child": 1000}, "worker_max_memory_per_child is not available: set `CALLBOARD_MAX_MEMORY`"),
        ({"broker_use_ssl": True}, "write one URL to CALLBOARD_BROKER_URL"),
    ],
)
def test_a_value_without_a_counterpart_is_refused_with_the_cure(values: dict[str, Any], complaint: str, app: Celery) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        app.conf.update(values)

    assert complaint in str(caught.value)
    assert app.conf.task_serializer == "json"


def test_an_unknown_key_is_kept_and_warned_of_with_the_nearest_one(app: Celery) -> None:
    with pytest.warns(UnknownName, match=r"'task_route' is not a configuration key of Celery \(app\.conf\): do you mean 'task_routes'"):
        app.conf.task_route = {}
    app.conf.task_route = {"a": "b"}  # warned of once
    with pytest.raises(AttributeError, match="do you mean 'beat_schedule'"):
        _ = app.conf.beat_schedules
    with pytest.warns(UnknownName, match="'brocker' is not an argument of Celery"):
        Celery("x", brocker="amqp://")

    assert (app.conf.task_route, app.conf["task_route"], app.conf.get("own", 7), hasattr(app.conf, "own")) == (
        {"a": "b"},
        {"a": "b"},
        7,
        False,
    )


def test_an_applications_own_names_in_a_namespace_are_kept(app: Celery) -> None:
    settings = type("settings", (), {"CELERY_TIMEZONE": "Europe/Rome", "CELERY_REPORT_FOLDER": "/tmp", "OTHER": 1})
    with pytest.warns(UnknownName, match=r"'report_folder' is not a configuration key of Celery \(CELERY_… of type\)"):
        app.config_from_object(settings, namespace="CELERY")

    assert (app.conf.timezone, app.conf.report_folder, "other" in app.conf) == ("Europe/Rome", "/tmp", False)
    with pytest.raises(ImproperlyConfigured, match="task_serializer='pickle' is not available"):
        app.config_from_object(type("settings", (), {"CELERY_TASK_SERIALIZER": "pickle"}), namespace="CELERY")


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_to(url: str | None) -> None:
        monkeypatch.setenv("CALLBOARD_BROKER_URL", url or "")
        if url is None:
            monkeypatch.delenv("CALLBOARD_BROKER_URL")
        get_settings.cache_clear()

    yield set_to
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.mark.parametrize("same", ["amqp://guest:guest@127.0.0.1:5672//", "pyamqp://guest@localhost//", "amqp://", "amqp://localhost"])
def test_the_codes_broker_may_be_written_otherwise(same: str, app: Celery, setting: Any) -> None:
    setting("amqp://guest:guest@127.0.0.1:5672/")
    app.conf.broker_url = same

    assert get_settings().broker_url == "amqp://guest:guest@127.0.0.1:5672/"


@pytest.mark.parametrize("other", ["amqp://me:secret@rabbit:5672/shop", "redis://localhost:6379/0", "amqp://localhost/shop"])
def test_the_setting_wins_over_another_broker_of_the_code(other: str, app: Celery, setting: Any) -> None:
    setting("amqp://guest:guest@127.0.0.1:5672/")

    with pytest.raises(
        ImproperlyConfigured,
        match=r"The code names the broker .*, CALLBOARD_BROKER_URL names amqp://guest:•••@127.0.0.1:5672/: take broker=",
    ) as caught:
        Celery("x", broker=other)
    assert "secret" not in str(caught.value)


def test_without_the_setting_the_codes_broker_is_used(app: Celery, setting: Any) -> None:
    setting(None)
    app.conf.broker_url = "amqp://me:secret@rabbit/shop"

    assert get_settings().broker_urls == ["amqp://me:secret@rabbit:5672/shop"]
    setting(None)
    with pytest.raises(ImproperlyConfigured, match="not through what 'redis' names"):
        app.conf.broker_url = "redis://localhost"


def test_the_current_application_is_the_last_one(app: Celery) -> None:
    assert current_app.main == "proj"
    other = Celery("other", set_as_current=False)
    assert current_app.main == "proj"
    other.set_current()
    assert current_app.main == "other"

    @shared_task(name="shared.one")
    def one() -> None: ...

    assert one.app is other
