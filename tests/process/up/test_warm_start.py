"""Parts of ./run up as forks of its supervisor, and as new interpreters where an actor module has files open."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from src.up.data import process_identity
from src.up.data.process_identity import command_line
from tests.harness.waiting import eventually
from tests.process.up.test_up import AWAY, House


@contextmanager
def running(folder: Path, **variables: Any) -> Iterator[House]:
    made = House(folder / "data")
    made.up(CALLBOARD_BROKER_URL=AWAY, **variables)
    try:
        yield made
    finally:
        made.call("down")
        assert process_identity.marked(made.data) == []


def titles(house: House) -> dict[str, str]:
    return {each["role"]: command_line(each["pid"]) for each in house.status["processes"] if each["role"] != "supervisor"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(tmp_path_factory.mktemp("warm")) as made:
        yield made


def test_each_part_is_a_fork_with_a_name_of_its_own(house: House) -> None:
    assert titles(house) == {
        role: f"callboard {role}{'-1' if role == 'worker' else ''}" for role in ("mailbox", "web", "scheduler", "worker")
    }


@pytest.mark.parametrize("role", ["web", "worker", "scheduler", "mailbox"])
def test_a_killed_part_comes_back_as_a_fork(house: House, role: str) -> None:
    [pid] = house.pids(role)

    os.kill(pid, signal.SIGKILL)

    eventually(lambda: house.pids(role) not in ([], [pid], [0]), deadline_s=60)
    assert titles(house)[role].startswith(f"callboard {role}")


def test_parts_end_with_a_killed_supervisor(house: House) -> None:
    parts = [process_identity.identify(each["pid"]) for each in house.status["processes"]]
    [supervisor] = house.pids("supervisor")

    os.kill(supervisor, signal.SIGKILL)

    assert process_identity.wait_gone([part for part in parts if part is not None], 60) == []


@pytest.mark.parametrize(
    "module",
    [
        pytest.param("import socket\nconnections = socket.socketpair()", id="socket"),
        pytest.param("log = open(__file__)", id="file", marks=pytest.mark.slow),
        pytest.param(
            "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,), daemon=True).start()",
            id="thread",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_where_a_module_of_actors_opens_files_each_part_imports_it_itself(tmp_path: Path, module: str) -> None:
    (tmp_path / "opens_files.py").write_text(f"{module}\n")

    with running(tmp_path, CALLBOARD_ACTORS="opens_files", PYTHONPATH=str(tmp_path)) as house:
        assert [each for each in titles(house).values() if each.startswith("callboard")] == []
