"""Unreadable settings name their source and the cure; secrets are never shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from src.settings import Settings, get_settings
from src.up.data import configuration
from src.up.errors import UpError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    yield
    get_settings.cache_clear()


def test_a_wrong_value_names_the_variable_its_line_and_the_cure() -> None:
    Path(".env").write_text("# ours\nCALLBOARD_PORT=eight\n")

    with pytest.raises(UpError) as caught:
        configuration.read_settings()

    assert "CALLBOARD_PORT (from .env line 2)" in str(caught.value)
    assert "nano +2 .env" in str(caught.value)


def test_a_wrong_value_of_the_environment_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_WORKERS", "-1")

    with pytest.raises(UpError, match=r"CALLBOARD_WORKERS \(from environment\).*\n.*unset CALLBOARD_WORKERS"):
        configuration.read_settings()


def test_a_line_that_is_no_assignment_is_shown() -> None:
    Path(".env").write_text("CALLBOARD_PORT=8001\nthis is = 'not closed\n")

    with pytest.raises(UpError, match=r"Line 2 of \.env"):
        configuration.read_settings()


@pytest.mark.parametrize(
    "line",
    ["CALLBOARD_SECRET_KEY='s3cret-key", "CALLBOARD_SECRET_KEY s3cret-key", 'export CALLBOARD_DATABASE_URL = "postgresql://u:s3cret@h'],
)
def test_a_line_that_is_no_assignment_is_shown_without_what_may_be_a_password(line: str) -> None:
    Path(".env").write_text(f"{line}\n")

    with pytest.raises(UpError, match=r"Line 1 of \.env") as caught:
        configuration.read_settings()
    assert "CALLBOARD_" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_bytes(b"CALLBOARD_PORT=\xff\xfe\n")])
def test_an_invalid_env_file_is_reported(make) -> None:  # type: ignore[no-untyped-def]
    make(Path(".env"))

    with pytest.raises(UpError, match=r"\.env cannot be read"):
        configuration.read_settings()


def test_a_misspelt_variable_is_named_with_a_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_PROT", "8001")

    assert configuration.unknown_variables() == ["CALLBOARD_PROT is not a setting. Did you mean CALLBOARD_PORT?"]


def test_where_a_setting_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("CALLBOARD_PORT=8001\n")
    monkeypatch.setenv("CALLBOARD_HOST", "127.0.0.1")

    assert configuration.origin("port") == ".env line 1"
    assert configuration.origin("host") == "environment"
    assert configuration.origin("threads") == "default"


def test_secrets_are_hidden() -> None:
    two_hosts = "amqp://callboard:s3cret@one/v;amqp://callboard:s3cret@two/v"

    assert "s3cret" not in configuration.masked("broker_url", two_hosts)
    assert configuration.masked("broker_url", two_hosts).count("•••") == 2
    assert "p" not in configuration.masked("secret_key", "pppp")
    for url in (
        "postgresql://u:s3cret;more@h/db",
        "postgresql://u:s3 cret s3cret@h/db",
        "postgresql://h/db?user=u&password=s3cret",
        "postgresql://u:p@h/db?sslmode=require&sslpassword=s3cret&x=1",
        "amqp://u:p;s3cret@h/; amqp://u:s3cret@k/",
    ):
        shown = configuration.masked("broker_url" if url.startswith("amqp") else "database_url", url)
        assert "cret" not in shown
        assert "more" not in shown
        assert "h/" in shown
    assert configuration.masked("host", "127.0.0.1") == "127.0.0.1"
