"""pytest --processes N: the forks run each test once, and a fork's death is a failure of one test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT

FILE = """
import os, signal

def test_passes(tmp_path):
    (tmp_path / "file").write_text("")

def test_fails():
    print("its output")
    assert [1] == [2]

def test_kills_its_process():
    if {killing}:
        os.kill(os.getpid(), signal.SIGKILL)

def test_is_last():
    {last}
"""


def run(folder: Path, *arguments: str, killing: bool = False, last: str = "pass") -> str:
    for number in range(4):
        (folder / f"test_{number}.py").write_text(FILE.format(killing=killing and number == 1, last=last))
    command = [sys.executable, "-m", "pytest", "-p", "tests.harness.processes", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_each_test_runs_once_and_a_failure_has_its_output(tmp_path: Path) -> None:
    output = run(tmp_path, "--processes", "3")

    assert "4 failed, 12 passed" in output
    assert len(re.findall(r"^its output$", output, re.MULTILINE)) == 4


@pytest.mark.long
def test_the_tests_of_a_killed_process_go_on_in_another(tmp_path: Path) -> None:
    """Even when it was its last test, and it had already taken the next file."""
    kill = "test_kills_its_process() if '_1' in __file__ else None"
    output = run(tmp_path, "--processes", "2", killing=True, last=kill)

    assert len(re.findall(r"^The process of this test ended with -9\.$", output, re.MULTILINE)) == 2
    assert "6 failed, 10 passed" in output


def test_a_run_ends_at_its_first_failure_on_request(tmp_path: Path) -> None:
    output = run(tmp_path, "--processes", "2", "-x")

    assert "1 failed" in output
    assert "stopping after 1 failures" in output
