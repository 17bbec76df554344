"""docker-compose.yml and the Dockerfile: the equal alternative, checked without a Docker engine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from src.settings import Settings
from src.up import container_secrets
from tests.harness import ROOT

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "compose-spec.json").read_text())


@pytest.fixture
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_the_compose_file_passes_the_compose_specifications_schema(compose: dict[str, Any]) -> None:
    jsonschema_rs.Draft7Validator(SCHEMA).validate(compose)


def test_the_schema_would_notice_a_mistake(compose: dict[str, Any]) -> None:
    compose["services"]["web"]["helthcheck"] = {}

    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.Draft7Validator(SCHEMA).validate(compose)


def test_only_the_loopback_address_is_published(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_links_of_mails_lead_to_the_published_port(compose: dict[str, Any]) -> None:
    port = compose["services"]["web"]["ports"][0].removesuffix(":8000").removeprefix("127.0.0.1:")
    assert compose["services"]["web"]["environment"]["CALLBOARD_PUBLIC_URL"] == f"${{PUBLIC_URL:-http://127.0.0.1:{port}}}"


def test_every_lasting_service_has_a_health_check_and_time_to_stop(compose: dict[str, Any]) -> None:
    lasting = {name: service for name, service in compose["services"].items() if service.get("restart") != "no"}

    assert set(lasting) == {"postgres", "rabbitmq", "web", "worker", "scheduler"}
    for service in lasting.values():
        assert "test" in service["healthcheck"]
        assert "stop_grace_period" in service


def test_our_services_start_after_the_migration_and_with_a_healthy_broker(compose: dict[str, Any]) -> None:
    for name in ("web", "worker", "scheduler"):
        assert compose["services"][name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert compose["services"][name]["depends_on"]["rabbitmq"]["condition"] == "service_healthy"


def test_links_lead_where_browsers_can_go_and_numbers_come_from_inside(compose: dict[str, Any]) -> None:
    environment = compose["services"]["web"]["environment"]

    assert environment["CALLBOARD_MANAGEMENT_URL"] == "http://rabbitmq:15672"
    assert environment["CALLBOARD_MANAGEMENT_PUBLIC_URL"].startswith("http://127.0.0.1:")
    assert Settings(management_url="http://inside", management_public_url="http://outside").management_link == "http://outside"
    assert Settings(management_url="http://inside").management_link == "http://inside"


def test_each_service_sees_only_its_own_secrets(compose: dict[str, Any]) -> None:
    seen = {
        name: {volume.split(":")[0] for volume in service.get("volumes", []) if "secrets" in volume}
        for name, service in compose["services"].items()
    }

    assert seen.pop("secrets") == {"app_secrets", "postgres_secrets", "rabbitmq_secrets"}
    assert seen.pop("postgres") == {"postgres_secrets"}
    assert seen.pop("rabbitmq") == {"rabbitmq_secrets"}
    assert all(volumes == {"app_secrets"} for volumes in seen.values())


def test_no_secret_stands_in_the_compose_file(compose: dict[str, Any]) -> None:
    names = [name for service in compose["services"].values() for name in service.get("environment", {})]

    assert not [name for name in names if re.search("PASSWORD|SECRET|DATABASE_URL|BROKER_URL", name) and not name.endswith("_FILE")]


def test_the_secrets_are_generated_once_and_are_settings(tmp_path: Path) -> None:
    container_secrets.main(tmp_path)
    first = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    container_secrets.main(tmp_path)

    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == first
    settings = Settings(_secrets_dir=tmp_path / "app")
    assert settings.database_url.startswith("postgresql+psycopg://callboard:")
    assert settings.broker_urls[0].endswith("@rabbitmq:5672/callboard")
    assert len(settings.secret_key) >= 32
    users = {user["name"] for user in json.loads((tmp_path / "rabbitmq" / "definitions.json").read_text())["users"]}
    assert users == {"callboard", "admin"}


def test_the_image_runs_as_an_ordinary_user_from_the_hashed_lock() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users == ["10001:10001"]
    assert any("--require-hashes" in line for line in lines if line.startswith("RUN"))
    assert any(line.startswith("HEALTHCHECK") for line in lines)
