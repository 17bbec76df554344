"""pytest --processes N: the first process collects all tests, then forks N processes that run them, each a file at a time.

A process that collects by itself, as with pytest-xdist, costs ten seconds of CPU for its imports and for thousands of
tests. A fork has them at once, and shares their memory.
"""

from __future__ import annotations

import gc
import os
import signal
import struct
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

import pytest

from tests.harness.ordering import file_of, waits_for_services

#: a file's number, as written to the pipe of files that no process has begun
NUMBER = struct.Struct("<i")
#: seconds that an interrupted test has for its clean-up
INTERRUPTED_S = 30


class Hooks:
    """Hooks that this plugin calls."""

    @pytest.hookspec
    def pytest_fork_begin(self, config: pytest.Config) -> None:
        """In a new fork, before its first test."""

    @pytest.hookspec
    def pytest_fork_end(self, config: pytest.Config) -> None:
        """In a fork, after its last test."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--processes", type=int, default=1, metavar="N", help="run the tests with services in N processes, others in fewer")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    alone = session.config.getoption("--processes") < 2 or len({file_of(item) for item in session.items}) < 2
    if alone or session.config.option.collectonly or session.testsfailed:
        return None
    Forks(session).run()
    return True


class Forks:
    """The first process: forks, and reports what the forks send."""

    def __init__(self, session: pytest.Session) -> None:
        self._session, self._config = session, session.config
        self._files = [list(tests) for _, tests in groupby(session.items, file_of)]
        self._waiting, queue = os.pipe()
        for number in range(len(self._files)):
            os.write(queue, NUMBER.pack(number))
        os.close(queue)
        self._running: dict[Connection, Fork] = {}
        self._most = min(self._config.getoption("--processes"), len(self._files))

    def run(self) -> None:
        """Run all tests. Raises pytest's Failed or Interrupted when the run must stop early."""
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        terminal.showfspath = False  # the files of several processes would alternate
        self._config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        gc.collect()
        gc.freeze()  # a collection would copy the pages that forks share
        try:
            # One more than cores, for the pauses in which PostgreSQL works: 96 s instead of 103 to 111 for three quarters of tests/sql.
            for _ in range(min(self._most, (os.cpu_count() or 1) + 1)):
                self._fork([])
            while self._running:
                for source in wait(list(self._running)):
                    assert isinstance(source, Connection)
                    self._take(source)
        finally:
            for fork in self._running.values():
                os.kill(fork.pid, signal.SIGINT)
            deadline = time.monotonic() + INTERRUPTED_S
            for fork in self._running.values():
                _wait(fork.pid, deadline)

    def _fork(self, tests: Sequence[pytest.Item]) -> None:
        """Start a process that runs these tests and then further files."""
        source, target = Pipe(duplex=False)
        pid = os.fork()
        if pid == 0:
            source.close()
            for other in self._running:
                other.close()
            _be_a_fork(self._session, self._tests(tests, target), target)
        target.close()
        self._running[source] = Fork(pid, list(tests))

    def _tests(self, first: Sequence[pytest.Item], target: Connection) -> Iterator[pytest.Item]:
        """In a fork: yield its tests; the first process is sent the number of each file before its tests."""
        yield from first
        while taken := os.read(self._waiting, NUMBER.size):
            (number,) = NUMBER.unpack(taken)
            target.send(number)
            yield from self._files[number]

    def _take(self, source: Connection) -> None:
        """Take one message of a fork: the number of a file, the id of a test that it begins, or a report. Or its end."""
        fork = self._running[source]
        try:
            message = source.recv()
        except EOFError:
            del self._running[source]
            self._ended(fork, os.waitstatus_to_exitcode(os.waitpid(fork.pid, 0)[1]))
            return
        if isinstance(message, int):
            fork.tests += self._files[message]
            if waits_for_services(self._files[message][0]):
                # Until now each process has had nearly a core of its own: with three per core the same tests would need two fifths more CPU.
                for _ in range(self._most - len(self._running)):
                    self._fork([])
            return
        if isinstance(message, str):
            fork.begun.append(message)
            return
        report = self._config.hook.pytest_report_from_serializable(config=self._config, data=message)
        self._session.ihook.pytest_runtest_logreport(report=report)
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)

    def _ended(self, fork: Fork, status: int) -> None:
        """Report the test in which a fork died; another one runs the rest of its tests."""
        if status == 0:
            return
        if not fork.begun:
            raise self._session.Interrupted(f"A process of the tests ended with {status} before its first test.")
        died = next(test for test in fork.tests if test.nodeid == fork.begun[-1])
        message = f"The process of this test ended with {status}."
        ended = time.time()
        report = pytest.TestReport(died.nodeid, died.location, {}, "failed", message, "call", start=ended, stop=ended)
        self._session.ihook.pytest_runtest_logreport(report=report)
        self._fork([test for test in fork.tests if test.nodeid not in set(fork.begun)])


def _wait(pid: int, deadline: float) -> None:
    """Wait for the end of a fork, and kill it at the deadline."""
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)  # poll interval; the loop has a deadline


class Fork:
    """A process with the tests that it has taken, and the ids of those that it has begun."""

    def __init__(self, pid: int, tests: list[pytest.Item]) -> None:
        self.pid, self.tests = pid, tests
        self.begun: list[str] = []


class Sender:
    """In a fork: sends each begun test and each report to the first process."""

    def __init__(self, config: pytest.Config, target: Connection) -> None:
        self._config, self._target = config, target

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._target.send(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data: dict[str, Any] = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._target.send(data)


def _be_a_fork(session: pytest.Session, tests: Iterator[pytest.Item], target: Connection) -> NoReturn:
    """Run the tests and end this process."""
    status = 1
    config = session.config
    manager = config.pluginmanager
    capture = manager.getplugin("capturemanager")
    try:
        capture.stop_global_capturing()  # its files are the first process's
        capture.start_global_capturing()
        manager.unregister(name="terminalreporter")
        manager.register(Sender(config, target))
        temporary = config._tmp_path_factory  # type: ignore[attr-defined]
        temporary._basetemp = temporary.getbasetemp() / f"process-{os.getpid()}"
        temporary._basetemp.mkdir(mode=0o700)
        config.hook.pytest_fork_begin(config=config)
        try:
            test = next(tests, None)
            while test is not None:
                following = next(tests, None)
                test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
                test = following
        finally:
            session._setupstate.teardown_exact(None)
            config.hook.pytest_fork_end(config=config)
        status = 0
    finally:
        if status and not isinstance(sys.exception(), (KeyboardInterrupt, BrokenPipeError)):
            capture.stop_global_capturing()
            traceback.print_exc()
        with suppress(OSError):
            target.close()
        os._exit(status)
