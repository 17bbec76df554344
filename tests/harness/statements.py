"""pytest --statements: functions of src/ that execute a statement on a store only in tests without the mark `both_stores`.

Measures the other store of the tier in one process: `pytest --statements --slow -m "not slow" -k postgresql tests/sql`.
Lists each function with its statement, and the test with least CPU that executes it: mark that test.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Generator
from functools import cache
from typing import Any

import pytest
from sqlalchemy import Engine, event

from src.sql import direct, statements
from tests.harness import ROOT
from tests.harness.figures import cpu_s

SOURCE, ENGINES = f"{ROOT}/src/", f"{ROOT}/src/sql/"
#: a function and a statement
Executed = tuple[str, str]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--statements", action="store_true", help="list what only tests without the mark both_stores execute")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--statements"):
        config.pluginmanager.register(Statements())


class Statements:
    """Statements that each test executes."""

    def __init__(self) -> None:
        self._test = ""
        self._cpu_s: dict[str, float] = {}
        self._by_test: defaultdict[str, set[Executed]] = defaultdict(set)
        self._ordinary: set[str] = set()
        event.listen(Engine, "before_cursor_execute", lambda _connection, _cursor, statement, *_: self._note(statement))
        fetch, pipeline, patch = direct.Direct.fetch, direct.pipeline, pytest.MonkeyPatch()

        def noted_fetch(taken: direct.Direct, statement: str, parameters: dict[str, Any]) -> list[Any]:
            self._note(statement)
            return fetch(taken, statement, parameters)

        def noted_pipeline(connection: Any, statement: str, *rest: Any) -> None:
            self._note(statement)
            pipeline(connection, statement, *rest)

        patch.setattr(direct.Direct, "fetch", noted_fetch)
        patch.setattr(statements, "pipeline", noted_pipeline)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._test, before = item.nodeid, cpu_s()
        if any(item.get_closest_marker(mark) for mark in ("both_stores", "only_on")):
            self._ordinary.add(item.nodeid)
        try:
            return (yield)
        finally:
            self._cpu_s[item.nodeid] = cpu_s() - before

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        covered = set[Executed]().union(*(self._by_test[test] for test in self._ordinary))
        every = set[Executed]().union(*self._by_test.values())
        others = sorted(self._by_test.keys() - self._ordinary, key=lambda test: self._cpu_s.get(test, 0.0))
        terminalreporter.section(f"{len(every)} statements of functions, {len(every - covered)} of them only in tests without the mark")
        for test in others:
            for function, statement in sorted(self._by_test[test] - covered):
                terminalreporter.write_line(f"{test}\n    {function}: {statement[:200]}")
            covered |= self._by_test[test]

    def _note(self, statement: str) -> None:
        frame, innermost = sys._getframe(2), ""
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(SOURCE):
                innermost = innermost or f"{path.removeprefix(SOURCE)}:{frame.f_code.co_qualname}"
                if not path.startswith(ENGINES):
                    self._by_test[self._test].add((f"{path.removeprefix(SOURCE)}:{frame.f_code.co_qualname}", _normal(statement)))
                    return
            frame = frame.f_back  # type: ignore[assignment]
        if innermost:
            self._by_test[self._test].add((innermost, _normal(statement)))


@cache
def _normal(statement: str) -> str:
    """Return the statement with ? for every value, whatever their number."""
    text = re.sub(r"%\(\w+\)s|:\w+|\$\d+|\b\d+\b|'[^']*'|callboard_[0-9a-f]{16}", "?", re.sub(r"\s+", " ", statement))
    text = re.sub(r"\?(?:::?\?|::\w+(?: \w+)*(?:\[\])?)+", "?", text)
    return re.sub(r"\(\?(?:, \?)*\)(?:, \(\?(?:, \?)*\))*", "(?)", text)
