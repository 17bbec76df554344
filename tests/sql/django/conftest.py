"""Django on the test's database, without RabbitMQ.

orders  a table of the application in Django's database, beside Callboard's
inline  a worker in the thread of the test
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.db import connections

from src.sql.database import Database
from tests.sql.celery.conftest import inline
from tests.sql.mail.conftest import _nothing_published

__all__ = ["_nothing_published", "inline"]

BACKEND = "src.django.tasks.CallboardBackend"
settings.configure(
    USE_TZ=True,
    DATABASES={"default": {}},
    TASKS={
        "default": {"BACKEND": BACKEND, "QUEUES": ["default", "mail"]},
        "repeated": {"BACKEND": BACKEND, "OPTIONS": {"max_retries": 1, "min_backoff": 1, "max_backoff": 1}},
    },
)
django.setup()


def reaching(database: Database, **options: Any) -> dict[str, Any]:
    """Django's settings of this database."""
    url = database.url
    if database.is_sqlite:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.database, **options}
    return {
        "ENGINE": "django.db.backends.postgresql", "NAME": url.database, "USER": url.username, "HOST": url.host, "PORT": str(url.port), **options,
    }  # fmt: skip


def use(**databases: dict[str, Any]) -> None:
    """Make these Django's databases."""
    configured = connections.configure_settings({"default": {}, **databases})
    for alias in databases:
        connections.settings[alias] = configured[alias]
        if hasattr(connections._connections, alias):
            connections[alias].close()
            del connections[alias]


@pytest.fixture
def orders(database: Database) -> Iterator[None]:
    use(default=reaching(database))
    with connections["default"].cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id integer)")
    yield
    with connections["default"].cursor() as cursor:
        cursor.execute("DROP TABLE orders")
    connections.close_all()
