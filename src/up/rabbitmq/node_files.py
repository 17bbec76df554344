"""Files of a private node, generated from rabbitmq/: configuration, definitions with users, cookie."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template

from ... import IS_CHECKOUT
from ...configuration.kept_secrets import kept_secret
from ..locations import SOURCE

#: setup.py carries the checkout's folder rabbitmq/ into the installed package
TEMPLATES = SOURCE.parent / "rabbitmq" if IS_CHECKOUT else SOURCE / "up" / "rabbitmq" / "templates"
VHOST = "callboard"
APP_USER = "callboard"
ADMIN_USER = "admin"


def write(folder: Path, ports: Mapping[str, int], passwords: Mapping[str, str]) -> None:
    """Write all files that a node reads at startup, so that changes in rabbitmq/ take effect."""
    conf = folder / "conf"
    for part in (conf / "conf.d", folder / "log", folder / "home"):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    cookie = folder / "home" / ".erlang.cookie"
    kept_secret(cookie)
    cookie.chmod(0o400)  # Erlang refuses to start if other users can read it
    definitions = conf / "definitions.json"
    definitions.touch(mode=0o600)
    definitions.write_text(json.dumps(definitions_with_users(passwords), indent=1))
    # Relative to the node's working directory: a full path may contain characters that the configuration cannot express.
    own = Template((TEMPLATES / "node.conf").read_text()).substitute(ports, definitions=definitions.relative_to(folder))
    (conf / "rabbitmq.conf").write_text((TEMPLATES / "rabbitmq.conf").read_text() + "\n" + own)
    for name in ("enabled_plugins", "advanced.config"):
        shutil.copyfile(TEMPLATES / name, conf / name)
    (conf / "inetrc").write_text('{host, {127,0,0,1}, ["localhost"]}.\n{lookup, [file, native]}.\n')


def definitions_with_users(passwords: Mapping[str, str]) -> dict[str, object]:
    """rabbitmq/definitions.json with users: the application may use its virtual host and read counts, `admin` may do everything."""
    definitions: dict[str, object] = json.loads((TEMPLATES / "definitions.json").read_text())
    definitions["users"] = [
        {
            "name": name,
            "password_hash": password_hash(password),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "administrator" if name == ADMIN_USER else "monitoring",
        }
        for name, password in passwords.items()
    ]
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    definitions["permissions"] = [{"user": name, "vhost": VHOST, **everything} for name in passwords]
    return definitions


def password_hash(password: str) -> str:
    """Hash a password like RabbitMQ: base64 of a 4-byte salt and the SHA-256 of salt and password."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
