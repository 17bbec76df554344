"""Fixtures of the web room.

site     the application on an emptied database, without a broker: clients signed in with any role
own_site the same with an application that the test may change

Tests here run on SQLite; those marked `both_stores` on PostgreSQL too: they execute SQL that no other test executes there.
test_every_page.py opens every page and route on both.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from flask import Flask
from jinja2 import FileSystemBytecodeCache

import src.actors
from src.jobs.core.envelopes import leave_to_relay, publisher
from src.operations.people import users
from src.sql.database import Database
from src.web import create_app
from tests.harness.contract import Contract
from tests.harness.services import Shared
from tests.harness.site import Site

#: the application's own, at its real cost
HASHER = users._hasher
assert src.actors  # first, so that the actors of these tests find its broker, whichever file is collected first


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 at its least cost; test_sign_in.py passes once at the real one."""
    monkeypatch.setattr(users, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture(scope="session", autouse=True)
def _templates_compiled_once(shared: Shared) -> Iterator[None]:
    """Share compiled templates among the applications of all tests and pytest processes."""
    folder = shared.folder / "templates"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": FileSystemBytecodeCache(str(folder))})
        yield


@pytest.fixture(scope="session")
def app(_templates_compiled_once: None) -> Flask:
    return create_app()


@pytest.fixture(scope="session")
def api_contract(app: Flask) -> Contract:
    """Every response of the API in this tier is compared with its schema."""
    return Contract(app)


@pytest.fixture
def site(database: Database, app: Flask, api_contract: Contract) -> Iterator[Site]:
    with publisher.replaced(leave_to_relay):  # these jobs stay where they are: no RabbitMQ here
        yield Site(database, app)
    breaches, api_contract.breaches = api_contract.breaches, []
    assert breaches == []


@pytest.fixture
def own_site(site: Site) -> Site:
    """A site whose application is the test's own, to be changed."""
    return Site(site.database, create_app())
