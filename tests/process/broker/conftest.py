"""Fixtures of the broker room.

house      function  a house this process belongs to, with one worker command that serves; each test runs once per store
quiet      function  a fresh house without a worker, for tests that start, stop and break their own
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import src.actors
from tests.harness.broker_house import House, Worker, open_house

# Loaded here, and taken out of the process's broker again: other rooms' tests shall not meet these actors.
_known = dict(src.actors.broker.actors)

_mine = {name: actor for name, actor in src.actors.broker.actors.items() if name not in _known}
for _name in _mine:
    del src.actors.broker.actors[_name]

STORES = ("sqlite", "postgresql")


@pytest.fixture(autouse=True)
def _actors() -> Iterator[None]:
    src.actors.broker.actors.update(_mine)
    yield
    for name in _mine:
        src.actors.broker.actors.pop(name, None)


@pytest.fixture(scope="package", params=STORES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Worker]]:
    opened = open_house(request, request.param, tmp_path_factory.mktemp("house"))
    try:
        with opened.working() as worker:
            yield opened, worker
    finally:
        opened.remove()


@pytest.fixture
def house(served: tuple[House, Worker]) -> Iterator[House]:
    with served[0].entered() as entered:
        yield entered


@pytest.fixture
def worker(served: tuple[House, Worker]) -> Worker:
    return served[1]


@pytest.fixture(params=STORES)
def quiet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    opened = open_house(request, request.param, tmp_path_factory.mktemp("house"))
    try:
        with opened.entered():
            yield opened
    finally:
        opened.remove()
