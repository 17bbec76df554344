"""pytest --figures, --measure: seconds and CPU of each tier, the files with most CPU, the ten slowest tests.

The CPU of a test is that of its pytest process, of its finished children and of commands that the fork server has seen
end. RabbitMQ, PostgreSQL and browsers are not included. A fixture of a session or package counts for the first test
that needs it.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field

import pytest

from tests.harness import fork_server
from tests.harness.ordering import DURATIONS

CPU = "cpu_s"
FILES = SLOWEST = 10


@dataclass
class Figures:
    """Sums over some tests."""

    tests: set[str] = field(default_factory=set)
    seconds: float = 0
    cpu_s: float = 0
    begin: float = float("inf")
    end: float = 0

    def add(self, report: pytest.TestReport) -> None:
        """Add one phase of a test: its set-up, call or tear-down."""
        self.tests.add(report.nodeid)
        self.seconds += report.duration
        self.cpu_s += sum(float(str(value)) for name, value in report.user_properties if name == CPU)
        self.begin = min(self.begin, report.start)
        self.end = max(self.end, report.stop)

    @property
    def wall_s(self) -> float:
        """Return the time from the first start to the last end."""
        return self.end - self.begin


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", action="store_true", help="print the time and CPU of each tier, and the slowest tests")
    parser.addoption("--measure", action="store_true", help="the same, and keep the time of each file for the order of the next runs")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--figures") or config.getoption("--measure"):
        config.pluginmanager.register(Measured(keep=bool(config.getoption("--measure"))))


class Measured:
    """Measures in each pytest process, sums up in the first."""

    def __init__(self, *, keep: bool = False) -> None:
        self._keep = keep
        self._before = 0.0
        self._tests: defaultdict[str, Figures] = defaultdict(Figures)

    def pytest_runtest_logstart(self) -> None:
        self._before = cpu_s()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        before, self._before = self._before, cpu_s()
        report.user_properties.append((CPU, f"{self._before - before:.3f}"))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._tests[report.nodeid].add(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._tests:
            return
        write = terminalreporter.write_line
        tiers, files = self._sums(2), self._sums(None)
        terminalreporter.section("figures")
        write(f"{'tier':<20}{'tests':>8}{'wall s':>9}{'sum s':>9}{'CPU s':>9}")
        for name, sums in tiers.items():
            write(f"{name:<20}{len(sums.tests):>8}{sums.wall_s:>9.1f}{sums.seconds:>9.1f}{sums.cpu_s:>9.1f}")
        write("\nfiles with most CPU (seconds; CPU)")
        for name, sums in sorted(files.items(), key=lambda each: -each[1].cpu_s)[:FILES]:
            write(f"{sums.seconds:>9.1f}{sums.cpu_s:>9.1f}  {name}")
        if self._keep:
            kept = {name: round(sums.seconds, 1) for name, sums in sorted(files.items())}
            DURATIONS.write_text(json.dumps(kept, indent=0) + "\n")
        write("\nslowest tests (seconds; CPU)")
        for name, sums in sorted(self._tests.items(), key=lambda each: -each[1].seconds)[:SLOWEST]:
            write(f"{sums.seconds:>9.1f}{sums.cpu_s:>9.1f}  {name}")

    def _sums(self, parts: int | None) -> dict[str, Figures]:
        """Group the tests by the first parts of their file's path."""
        sums: defaultdict[str, Figures] = defaultdict(Figures)
        for name, one in self._tests.items():
            _join(sums["/".join(name.partition("::")[0].split("/")[:parts])], [one])
        return dict(sums)


def _join(into: Figures, parts: Iterable[Figures]) -> None:
    for one in parts:
        into.tests |= one.tests
        into.seconds += one.seconds
        into.cpu_s += one.cpu_s
        into.begin, into.end = min(into.begin, one.begin), max(into.end, one.end)


def cpu_s() -> float:
    """Return the CPU of this process, its finished children and the fork server's finished commands."""
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system + fork_server.cpu_s()
