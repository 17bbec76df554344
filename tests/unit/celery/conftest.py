"""Fixtures of Celery's interface without services.

app  an application of its own, which is not the current one; its tasks and queues are forgotten afterwards
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import src.actors
from src.celery import Celery
from src.celery.core import registry
from src.celery.task.declaration import declare


@pytest.fixture
def app() -> Iterator[Celery]:
    for one in list(registry._apps):
        one.load()  # its declarations are kept below; it makes none twice
    broker = src.actors.broker
    tasks, apps, actors, queues = dict(registry.tasks), list(registry._apps), dict(broker.actors), set(broker.queues)
    yield Celery("proj")
    registry.tasks.clear()
    registry.tasks.update(tasks)
    registry._apps[:] = apps
    broker.actors.clear()
    broker.actors.update(actors)
    broker.queues &= queues
    for task in tasks.values():
        declare(task)  # shared tasks follow the configuration of the current application
