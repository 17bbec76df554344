"""The entry script and the environment it keeps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from src.cli import VERBS
from src.up import environment, packages
from tests.harness import ROOT


def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(ROOT / "run"), *arguments], env={**os.environ, **variables}, capture_output=True, text=True, cwd="/")


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",), ("-h",)])
def test_without_a_verb_it_tells_how_to_use_it_and_touches_nothing(arguments: tuple[str, ...]) -> None:
    # A PATH without any Python: the usage needs none.
    done = call(*arguments, PATH="/nowhere:/bin", PYTHON="")

    assert done.returncode == 0
    assert done.stdout.startswith("Usage: ./run VERB")


def test_the_usage_names_every_verb() -> None:
    usage = call().stdout

    assert [verb for verb in VERBS if not re.search(rf"(^|[ |]){verb}\b", usage, re.MULTILINE)] == []


def test_without_a_python_it_prints_the_line_to_type(tmp_path: Path) -> None:
    for program in ("sh", "dirname", "cat"):
        (tmp_path / program).symlink_to(f"/bin/{program}")
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")  # as an old Python answers
    (tmp_path / "python3").chmod(0o755)

    done = call("up", PATH=str(tmp_path), PYTHON="")

    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Install it" in done.stderr


def test_an_unknown_verb_is_refused_with_the_known_ones() -> None:
    done = subprocess.run([sys.executable, "-m", "src", "uppp"], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 2
    assert "There is no command 'uppp'. Did you mean up?" in done.stderr


def test_the_environment_is_current_only_for_this_lock_this_python_and_this_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    monkeypatch.setattr(environment, "VENV", tmp_path)
    monkeypatch.setattr(environment, "MARKER", tmp_path / "callboard.json")
    runtime, version = environment.checksum(environment.RUNTIME_LOCK), f"{sys.version_info.major}.{sys.version_info.minor}"

    def installed(python: str = version, path: str = str(tmp_path), lock: str = runtime) -> bool:
        environment.MARKER.write_text(f'{{"python": "{python}", "path": "{path}", "requirements.lock": "{lock}"}}')
        return environment.is_current(environment.RUNTIME_LOCK)

    assert installed()
    assert not installed(python="3.10")
    assert not installed(path="/moved/from/here")
    assert not installed(lock="of another lock")
    environment.MARKER.write_text("half a li")
    assert not environment.is_current(environment.RUNTIME_LOCK)


def test_the_development_lock_serves_every_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    monkeypatch.setattr(environment, "VENV", tmp_path)
    monkeypatch.setattr(environment, "MARKER", tmp_path / "callboard.json")
    dev, version = environment.checksum(environment.DEV_LOCK), f"{sys.version_info.major}.{sys.version_info.minor}"
    environment.MARKER.write_text(f'{{"python": "{version}", "path": "{tmp_path}", "requirements-dev.lock": "{dev}"}}')

    assert environment.is_current(environment.RUNTIME_LOCK)
    assert environment.is_current(environment.DEV_LOCK)


def test_a_missing_package_that_may_not_be_installed_prints_the_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", "/nowhere")
    absent = [packages.Package("rabbitmq-server", lambda: False), packages.Package("chromium", lambda: False)]

    with pytest.raises(packages.Missing) as caught:
        packages.provide(absent, lambda _line: None)

    assert "rabbitmq-server, chromium" in str(caught.value)
    assert "install rabbitmq-server chromium" in str(caught.value)


def test_a_configured_broker_needs_no_package() -> None:
    assert packages.needed_for("up", own_broker=True) == []
    assert packages.RABBITMQ in packages.needed_for("up", own_broker=False)
