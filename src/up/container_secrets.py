"""`python -m src.up.container_secrets FOLDER`: create the secrets of docker-compose.yml once, one folder per service."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path

from ..configuration.kept_secrets import kept_secret
from .rabbitmq.node_files import ADMIN_USER, APP_USER, VHOST, definitions_with_users


def main(folder: Path) -> None:
    """Write the missing secrets. Settings are read from files named after their variables, as in /run/secrets."""
    app, postgres, rabbitmq = folder / "app", folder / "postgres", folder / "rabbitmq"
    database_password = kept_secret(postgres / "password")
    broker_password = kept_secret(app / "broker_password")
    kept_secret(app / "callboard_secret_key")
    admin_password = kept_secret(rabbitmq / "admin_password", make=lambda: secrets.token_urlsafe(18))
    _write(app / "callboard_database_url", f"postgresql+psycopg://callboard:{database_password}@postgres:5432/callboard")
    _write(app / "callboard_broker_url", f"amqp://{APP_USER}:{broker_password}@rabbitmq:5672/{VHOST}")
    definitions = definitions_with_users({APP_USER: broker_password, ADMIN_USER: admin_password})
    _write(rabbitmq / "definitions.json", json.dumps(definitions))
    # World-readable for RabbitMQ's own user; only its container mounts this volume.
    for part, mode in ((rabbitmq, 0o755), (postgres, 0o755)):
        part.chmod(mode)
    for file in (rabbitmq / "definitions.json", postgres / "password"):
        file.chmod(0o444)


def _write(path: Path, text: str) -> None:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
