"""The two stores as tests choose and use them; the fixtures are in conftest.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from src.database import Database, use_database
from src.settings import get_settings

STORES = ("sqlite", "postgresql")

#: what the fixture open_store is
OpenStore = Callable[[str, str], AbstractContextManager[Database]]


def only_on(store: str, *, by: str = "database_url") -> pytest.MarkDecorator:
    """The test runs on one store alone; its reason belongs beside the mark. `by` is the fixture that chooses the store."""
    return pytest.mark.parametrize(by, [store], indirect=True)


@contextmanager
def using(database: Database, monkeypatch: pytest.MonkeyPatch, **environment: str) -> Iterator[Database]:
    """Make it this process's database and, by its URL in the environment, that of child processes."""
    with monkeypatch.context() as patched:
        patched.setenv("CALLBOARD_DATABASE_URL", database.url.render_as_string(hide_password=False))
        for name, value in environment.items():
            patched.setenv(name, value)
        get_settings.cache_clear()
        use_database(database)
        try:
            yield database
        finally:
            use_database(None)
    get_settings.cache_clear()
