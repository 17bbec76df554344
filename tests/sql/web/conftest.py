"""Fixtures of the web room.

site     the application on a fresh database of either store, without a broker: clients signed in with any role
own_site the same with an application that the test may change
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

import src.actors
from src.broker.publisher import hand_off
from src.database import Database
from src.jobs.envelopes import on_commit
from src.web import create_app
from tests.harness.site import Site

assert src.actors  # first, so that the actors of these tests find its broker, whichever file is collected first


@pytest.fixture(scope="session")
def app() -> Flask:
    return create_app()


@pytest.fixture
def site(database: Database, app: Flask) -> Iterator[Site]:
    on_commit(None)  # these jobs stay where they are: no RabbitMQ here
    yield Site(database, app)
    on_commit(hand_off)


@pytest.fixture
def own_site(site: Site) -> Site:
    """A site whose application is the test's own, to be changed."""
    return Site(site.database, create_app())
