"""The demo beside another installation: no setting of that one reaches it, also in later commands on its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_origin

import pytest

from src.broker.recover import management
from src.cli.machine import demo
from src.cli.shared import data_folder
from src.configuration.database_url import parse
from src.settings import Settings, get_settings
from src.up import doctor
from src.up.checks import readiness
from src.up.data.configuration import read_settings
from src.up.data.data_folder import Folder, PartRecord, State
from src.up.data.process_identity import identify
from src.up.errors import UpError

#: settings with a text that leads to nothing of another installation: looks, links, permissions, and what follows from the demo's own services
HARMLESS = {
    "data_dir", "host", "metrics_host", "database_schema", "management_url", "api_rate", "timezone", "log_level", "trace_url", "celery_queues",
    "http_allow", "alert_actor", "environment", "mail_from", "mail_admins", "mail_templates", "proxy_user_header", "proxy_addresses",
}  # fmt: skip


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of another installation, whose settings are in `.env` of the working directory."""
    folder = tmp_path / "other"
    folder.mkdir()
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if not name.startswith("CALLBOARD_")})
    kinds = ("RESULTS", "UPLOADS", "BACKUP")
    lines = [f"CALLBOARD_{kind}_DIR={folder / kind.lower()}" for kind in kinds]
    lines += [
        "CALLBOARD_SECRET_KEY=the key of others",
        f"CALLBOARD_DATABASE_URL=sqlite:///{folder}/callboard.db",
        "CALLBOARD_METRICS_PORT=9100",
    ]
    Path(".env").write_text("\n".join(lines))
    yield folder
    get_settings.cache_clear()


def started(monkeypatch: pytest.MonkeyPatch, data: Path) -> Settings:
    """The settings of a demo's processes."""

    def start(*, data: Path, special: Any, **_: object) -> None:
        data_folder.open_folder(data)[0].prepare()
        special.before()

    monkeypatch.setattr(demo, "Apart", lambda _: SimpleNamespace(is_over=lambda _: True, result=lambda: 0))
    monkeypatch.setattr(demo, "start", start)
    assert demo.demo.callback is not None
    demo.demo.callback(detached=True, data=data, port=None, logs=False)
    return read_settings()


def places(settings: Settings) -> list[Path]:
    database = Path(str(parse(settings.effective_database_url).database))
    return [database, settings.effective_results_dir, settings.effective_uploads_dir, settings.effective_backup_dir]


@pytest.mark.parametrize("name", ["demo", "a?b", "a%41#b"])
def test_everything_that_it_writes_is_in_its_own_folder(other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = tmp_path / name
    settings = started(monkeypatch, folder)
    assert all(place.parent == folder for place in places(settings)), places(settings)
    assert settings.secret_key == (folder / "secret_key").read_text() != "the key of others"
    assert settings.metrics_port == 0
    assert os.environ["OTEL_SDK_DISABLED"] == "true"


def test_a_later_command_on_its_folder_works_on_the_demo(other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "demo"
    running = started(monkeypatch, data)
    for name in [name for name in os.environ if name.startswith(("CALLBOARD_", "OTEL_"))]:
        del os.environ[name]
    with open(".env", "a") as file:
        file.write("\nCALLBOARD_BROKER_URL=amqp://u:p@broker.of.others/")
    folder = Folder(data)
    folder.write_state(State(broker_url="amqp://u:p@127.0.0.1:5999/"))

    joined = data_folder.enter(data)

    assert places(joined) == places(running)
    assert joined.secret_key == running.secret_key
    assert joined.broker_url == "amqp://u:p@127.0.0.1:5999/"
    assert (folder.path / "variables.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", demo.OWN)
def test_it_refuses_what_it_would_share(other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    scheme = {"broker_url": "amqp", "smtp_url": "smtp"}.get(name, "http")
    Path(".env").write_text(
        f"CALLBOARD_{name.upper()}={scheme}://u:p@service.of.others\n".replace("u:p@" if "public" in name else "\0", "")
    )
    with pytest.raises(UpError, match=f"CALLBOARD_{name.upper()} is set"):
        started(monkeypatch, tmp_path / "demo")


def test_each_setting_that_may_name_something_of_others_is_decided(tmp_path: Path) -> None:
    fields = Settings.model_fields
    texts = {name for name, field in fields.items() if get_origin(field.annotation) is not Literal and field.annotation not in (int, float)}
    given = {name.removeprefix("CALLBOARD_").lower() for name in demo.own_variables(tmp_path)}
    assert texts <= given | {*demo.OWN} | HARMLESS, "does the setting lead the demo to another installation? See src/cli/machine/demo.py"


def test_the_folder_of_another_callboard_is_refused(other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = Folder(tmp_path / "used")
    used.prepare()
    used.write_state(State())
    with pytest.raises(UpError, match="is the data folder of another Callboard"):
        started(monkeypatch, used.path)
    used.write_state(State(actors=demo.ACTORS))  # that of an earlier demo
    assert places(started(monkeypatch, used.path))


@pytest.mark.parametrize("name", ["callboard.db", "secret_key", "admin_password", "results", "uploads", "backups"])
def test_the_folder_of_services_is_refused(other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    used = Folder(tmp_path / "used")
    used.prepare()
    (used.path / name).mkdir()
    with pytest.raises(UpError, match="is the data folder of another Callboard"):
        started(monkeypatch, used.path)
    assert not (used.path / "variables.json").exists()


def test_a_folder_that_a_process_uses_is_refused(other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = Folder(tmp_path / "used")
    used.prepare()
    monkeypatch.setattr(Folder, "is_used", lambda _: True)
    with pytest.raises(UpError, match="is the data folder of another Callboard"):
        started(monkeypatch, used.path)


@pytest.mark.parametrize("is_running", [True, False])
def test_the_doctor_of_its_folder_looks_at_its_own_broker(
    other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_running: bool
) -> None:
    data, us, seen = tmp_path / "demo", identify(os.getpid()), list[str]()
    assert us is not None
    started(monkeypatch, data)
    with open(".env", "a") as file:
        file.write("\nCALLBOARD_BROKER_URL=amqp://u:p@broker.of.others/\nCALLBOARD_MANAGEMENT_URL=http://u:p@broker.of.others:15672/\n")
    part = PartRecord("worker", "worker", us.pid, us.started, "running", 0)
    own = State(
        url="http://127.0.0.1:1",
        broker_url="amqp://u:p@own.broker/",
        management_url="http://u:p@own.broker:1/",
        parts=(part,) if is_running else (),
    )
    Folder(data).write_state(own)

    def overview(**_: Any) -> None:
        seen.extend([get_settings().broker_url, get_settings().management_url])
        raise OSError("away")

    monkeypatch.setattr(management, "overview", overview)
    monkeypatch.setattr(readiness, "broker_missing", lambda urls: seen.extend(urls))
    doctor.examine(data)

    assert seen == ([own.broker_url, own.management_url] if is_running else [])
