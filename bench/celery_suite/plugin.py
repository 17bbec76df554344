"""Plugin of pytest for the suite: the fixtures that it expects of Celery, and its outcomes by kind."""

from __future__ import annotations

import ast
import inspect
import json
import os
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.celery_suite import celery_names
from src.broker.compat.handle import job
from src.celery import Celery, ResultSet
from src.jobs import State

#: environment variable with the path of the file for the outcomes
OUTCOMES = "CELERY_SUITE_OUTCOMES"
#: environment variable with the part to run: 2/8 is the second of eight
PART = "CELERY_SUITE_PART"
#: names in a test's code that reach into Celery, with the reason
INTERNALS = {
    "BaseKeyValueStoreBackend": "replaces a method of a result backend",
    "get_active_redis_channels": "counts the Redis channels of a result backend",
    "_get_task_meta": "reads the keys of a result backend",
    "producer_pool": "publishes a message of its own through Celery's connections",
    "worker_state": "looks into Celery's worker",
    "_SignalRecorder": "connects receivers inside the worker's own process",
    "amqp": "publishes through Celery's connections",
    "store_result": "writes to a result backend itself",
    "assert_trace_log": "compares the log lines of Celery's worker",
    "task_received": "reads the request object of a worker inside the test's own process",
    "revoke_by_stamped_headers": "compares the answer of Celery's control messages",
}


class Manager:
    """Counterpart of Celery's test manager, for what the suite calls."""

    def __init__(self, app: _Managed) -> None:
        self.app = app

    def inspect(self, **_: Any) -> Any:
        return SimpleNamespace(ping=lambda: {"worker": {"ok": "pong"}}, active=dict, reserved=dict, stats=dict)

    def join(self, result: Any, propagate: bool = False, **how: Any) -> Any:
        return (result if isinstance(result, ResultSet) else ResultSet([result])).get(propagate=propagate, **how)

    def wait_until_idle(self) -> None:
        pass

    def assert_result_tasks_in_progress_or_completed(self, results: list[Any], **_: Any) -> None:
        until = time.monotonic() + 10
        while not all(job(result.id).state in (State.RUNNING, State.SUCCEEDED) for result in results):
            assert time.monotonic() < until
            time.sleep(0.1)


class _Managed:
    """The application, with a backend that can do chords and the one queue of the suite."""

    backend = SimpleNamespace(ensure_chords_allowed=lambda: None)
    amqp = SimpleNamespace(queues=("celery",))

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)


@pytest.fixture(scope="session")
def celery_session_app() -> _Managed:
    from bench.celery_suite.worker import app

    return _Managed(app)


@pytest.fixture
def celery_app(celery_session_app: _Managed) -> _Managed:
    return celery_session_app


@pytest.fixture(scope="session")
def celery_session_worker() -> None:
    """Do nothing: the runner has started a worker."""


celery_names.install()
celery_names.provide(
    "celery.contrib.pytest",
    {"celery_app": celery_app, "celery_session_app": celery_session_app, "celery_session_worker": celery_session_worker},
)
celery_names.provide("celery.contrib.testing.manager", {"Manager": Manager})

_outcomes: dict[str, dict[str, str]] = {}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "flaky: of another plugin")
    config.addinivalue_line("markers", "timeout: of another plugin")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        function: Callable[..., Any] = getattr(item, "function")  # noqa: B009 - an Item of pytest declares none
        named = _names(function)
        reason = next((reason for name, reason in INTERNALS.items() if name in named), None)
        if reason is not None:
            _outcomes[item.nodeid] = {"kind": "internals", "reason": reason}
    number, _, parts = os.environ[PART].partition("/")
    items[:] = [item for item in items if item.nodeid not in _outcomes][int(number) - 1 :: int(parts)]


def _names(function: Callable[..., Any]) -> set[str]:
    """Return the names that a function's code mentions."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the outcome of a test; a failure of any of its parts stays."""
    known = _outcomes.get(report.nodeid)
    if known is not None and known["kind"] in ("internals", "failed"):
        return
    if report.failed:
        _outcomes[report.nodeid] = {
            "kind": "failed",
            "reason": str(report.longrepr).rstrip().splitlines()[-1][:300],
            "text": str(report.longrepr),
        }
    elif hasattr(report, "wasxfail"):
        _outcomes[report.nodeid] = {"kind": "passed" if report.passed else "expected", "reason": str(report.wasxfail)}
    elif report.skipped:
        where = report.longrepr
        _outcomes[report.nodeid] = {"kind": "skipped", "reason": str(where[2]) if isinstance(where, tuple) else str(where)}
    elif report.when == "call":
        _outcomes[report.nodeid] = {"kind": "passed", "reason": ""}


def pytest_sessionfinish() -> None:
    Path(os.environ[OUTCOMES]).write_text(json.dumps(_outcomes, indent=1))
