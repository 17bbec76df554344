"""Every setting is validated once, by name and with the cure; possible passwords are never shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from src import settings as module
from src.configuration.setting_sources import PREFIX
from src.settings import Settings, WrongSettings, get_settings
from src.up.environment import broker_is_configured

#: setting -> a wrong value, and words of the sentence about it
WRONG = {
    "PORT": ("eight", "must be a valid integer"),
    "WORKERS": ("-1", "must be greater than or equal to 0"),
    "LEASE_DURATION": ("inf", "must be a finite number"),
    "HEARTBEAT_INTERVAL": ("6", "LEASE_DURATION must be longer than CALLBOARD_HEARTBEAT_INTERVAL (6)"),
    "KEEP_DEAD": ("1e9", "must be at most 36500 days"),
    "DATABASE_URL": ("mysql://u:s3cret@h/db", "must be postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
    "BROKER_URL": ("redis://:s3cret@h:6379/0", "must be amqp://USER:PASSWORD@HOST:5672/VHOST"),
    "MANAGEMENT_URL": ("localhost:15672", "must be http://HOST:PORT"),
    "MANAGEMENT_PUBLIC_URL": ("//h", "must be http://HOST:PORT"),
    "PUBLIC_URL": ("jobs.example.com", "must be http://HOST:PORT or https://HOST"),
    "API_RATE": ("fast", "must be a number of requests in a time, e.g. 600/m"),
    "TIMEZONE": ("Berlin", "did you mean Europe/Berlin?"),
    "LOG_LEVEL": ("LOUD", "must be DEBUG, INFO, WARNING, ERROR or CRITICAL"),
    "LOG_FORMAT": ("xml", "must be 'auto', 'console' or 'json'"),
    "TRACE_URL": ("http://h/trace", "should match pattern"),
    "FOREIGN_MESSAGES": ("drop", "must be 'hold' or 'run'"),
    "SMTP_URL": ("mail.example.com:25", "must be smtp://, smtp+starttls:// or smtps://"),
    "MAIL_FROM": ("Callboard", "must be mail addresses"),
    "MAIL_ADMINS": ("ops", "must be mail addresses, comma separated; 'ops' is none"),
    "MAIL_TEMPLATES": ("/nowhere/templates", "must be an existing folder"),
    "HTTP_ALLOW": ("10.0.0.0/33", "must be host names, addresses or networks"),
    "PROXY_USER_HEADER": ("X Remote User", "must be the name of a header, e.g. X-Remote-User"),
    "PROXY_ADDRESSES": ("10.0.0.0/33", "'10.0.0.0/33' is none"),
    "MAX_MEMORY": ("half", "must be a size such as 512MB or 2GiB"),
    "MAX_JOBS": ("-1", "must be greater than or equal to 0"),
    "HOST": ("http://0.0.0.0", "must be an address of this machine"),
}


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_by_name_with_what_would_be_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, words = WRONG[name]
    monkeypatch.setenv(PREFIX + name, value)

    with pytest.raises(WrongSettings) as found:
        get_settings()

    said = str(found.value)
    assert PREFIX + name in said
    assert words in said
    assert "s3cret" not in said


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_PORT", "eight")
    monkeypatch.setenv("CALLBOARD_TIMEZONE", "Nowhere")
    with pytest.raises(WrongSettings) as found:
        get_settings()
    assert set(found.value.problems) == {"CALLBOARD_PORT", "CALLBOARD_TIMEZONE"}


def test_a_header_of_a_proxy_needs_the_proxys_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_PROXY_USER_HEADER", "X-Remote-User")
    with pytest.raises(WrongSettings, match="CALLBOARD_PROXY_ADDRESSES must name the proxy"):
        get_settings()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("amqp://", ("127.0.0.1", 5672, "/", "guest", "guest")),
        ("pyamqp://u:p@h:5673//", ("h", 5673, "/", "u", "p")),
        ("amqp://u:p@h//", ("h", 5672, "/", "u", "p")),
        ("amqp://u:p@h/%2F", ("h", 5672, "/", "u", "p")),
        ("amqp://u:p@h/a/b", ("h", 5672, "a/b", "u", "p")),
        ("amqp://u:p@h/a%2Fb%20c", ("h", 5672, "a/b c", "u", "p")),
        ("amqp://guest@h/x", ("h", 5672, "x", "guest", "guest")),
        ("amqp://u%40x:p%2F%23@h/x", ("h", 5672, "x", "u@x", "p/#")),
        ("amqps://u:p@[::1]/x?heartbeat=10", ("::1", 5671, "x", "u", "p")),
        (" amqp://u:p@h/x ", ("h", 5672, "x", "u", "p")),
    ],
)
def test_broker_urls_of_other_clients_are_understood(text: str, meant: tuple[str, int, str, str, str]) -> None:
    [url] = Settings(broker_url=text).broker_urls

    found = pika.URLParameters(url)
    assert (found.host, found.port, found.virtual_host, found.credentials.username, found.credentials.password) == meant


@pytest.mark.parametrize("text", ["amqp://u@h/x", "amqp://u:p#q@h/x", "amqp://u:p@h1,h2/x", "sqs://", "h:5672", ";", "amqp://u:p@h:port/"])
def test_those_that_cannot_be_are_refused_by_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_BROKER_URL", text)
    with pytest.raises(WrongSettings, match="CALLBOARD_BROKER_URL"):
        get_settings()


# empty variables


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "SECRETS_DIR", str(tmp_path))
    monkeypatch.setattr("src.up.environment.SECRETS", tmp_path)
    return tmp_path


def test_an_empty_variable_does_not_beat_the_secret_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("secret_key", "from the file\n"), ("broker_url", "amqp://u:p@h/x"), ("database_url", "postgresql://u@h/db")):
        (secrets / f"callboard_{name}").write_text(value)
        monkeypatch.setenv(f"CALLBOARD_{name.upper()}", "")

    found = get_settings()

    assert (found.secret_key, found.broker_url, found.database_url) == ("from the file", "amqp://u:p@h/x", "postgresql://u@h/db")
    assert broker_is_configured()


def test_every_setting_may_be_empty_and_is_then_as_if_it_were_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(PREFIX + name.upper(), "")

    found = get_settings()

    assert found.model_fields_set <= {"api_rate"}
    assert found.api_rate == ""  # no limit, as its description says
    assert not broker_is_configured()


def test_a_variable_that_says_something_beats_the_secret_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "callboard_secret_key").write_text("from the file")
    monkeypatch.setenv("CALLBOARD_SECRET_KEY", "from the environment")

    assert get_settings().secret_key == "from the environment"
