"""Fixtures of the broker room.

callboard  function  a Callboard this process belongs to, with one worker command that serves; each test runs once per store
quiet      function  a fresh Callboard without a worker, for tests that start, stop and break their own
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import src.actors
from tests.harness.callboard import Callboard, fresh_url
from tests.harness.commands import Worker
from tests.harness.services import BrokerNode
from tests.harness.stores import STORES

assert src.actors  # builds the broker that the actors of these tests are declared on


class Served(dict[str, tuple[Callboard, Worker]]):
    """By store, a Callboard with a worker that serves: started at its first use, for a run of tests of this folder."""

    def __init__(self, request: pytest.FixtureRequest, folders: pytest.TempPathFactory, ending: ExitStack) -> None:
        super().__init__()
        self._request, self._folders, self._ending = request, folders, ending

    def __missing__(self, store: str) -> tuple[Callboard, Worker]:
        callboard = self._ending.enter_context(opened(self._request, store, self._folders))
        self[store] = callboard, self._ending.enter_context(callboard.working())
        return self[store]


@pytest.fixture(scope="package")
def queues() -> list[str]:
    """Queues that the workers serve; empty: all."""
    return ["default"]


@pytest.fixture(scope="package")
def _served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with ExitStack() as ending:
        yield Served(request, tmp_path_factory, ending)


@pytest.fixture(params=STORES)
def served(request: pytest.FixtureRequest, _served: Served) -> tuple[Callboard, Worker]:
    return _served[request.param]


@pytest.fixture
def callboard(served: tuple[Callboard, Worker]) -> Iterator[Callboard]:
    with served[0].entered() as entered:
        yield entered


@pytest.fixture
def worker(served: tuple[Callboard, Worker]) -> Worker:
    return served[1]


@pytest.fixture(params=STORES)
def quiet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callboard]:
    with opened(request, request.param, tmp_path_factory) as callboard, callboard.entered():
        yield callboard


def opened(request: pytest.FixtureRequest, store: str, folders: pytest.TempPathFactory) -> Callboard:
    """A fresh Callboard on this store."""
    folder = folders.mktemp("callboard")
    node: BrokerNode = request.getfixturevalue("broker_node")
    return Callboard(
        node,
        fresh_url(request, store, folder),
        folder,
        actors="tests.actors.broker",
        queues=request.getfixturevalue("queues"),
        reconcile_interval=2,
        reconcile_after=4,
    )
