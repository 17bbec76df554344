"""Parts of ./run up as forks of a preloaded parent, and as new interpreters where an actor module has files open."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.idle import pss_mb
from bench.memory_bounds import RELOADED_MB
from src.broker.isolate import process_tree
from src.up.data import process_identity
from src.up.data.data_folder import Folder
from src.up.data.process_identity import command_line
from tests.harness.waiting import eventually
from tests.process.up.test_up import AWAY, House


@contextmanager
def running(folder: Path, *arguments: str, **variables: Any) -> Iterator[House]:
    made = House(folder / "data")
    made.up(*arguments, CALLBOARD_BROKER_URL=AWAY, **variables)
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

    eventually(lambda: house.pids(role) not in ([], [pid]), deadline_s=60)
    assert titles(house)[role].startswith(f"callboard {role}")


def test_parts_go_on_without_the_preloaded_parent_and_get_another(house: House) -> None:
    [supervisor] = house.pids("supervisor")
    others = [each["pid"] for each in house.status["processes"] if each["role"] != "mailbox"]
    [preloaded] = [pid for pid in process_tree.children(supervisor) if command_line(pid) == "callboard preloaded"]

    os.kill(preloaded, signal.SIGKILL)

    def is_forked_after_a_kill() -> bool:
        [mailbox] = eventually(lambda: house.pids("mailbox"), deadline_s=60)
        if command_line(mailbox).startswith("callboard"):
            return True
        os.kill(mailbox, signal.SIGKILL)
        eventually(lambda: house.pids("mailbox") not in ([], [mailbox]), deadline_s=60)
        return False

    [mailbox] = house.pids("mailbox")
    os.kill(mailbox, signal.SIGKILL)
    eventually(lambda: house.pids("mailbox") not in ([], [mailbox]), deadline_s=60)
    eventually(is_forked_after_a_kill, deadline_s=60, what="another preloaded parent forks")
    assert [each["pid"] for each in house.status["processes"] if each["role"] != "mailbox"] == others


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


def test_a_reload_forks_new_code_and_there_is_a_worker_at_each_moment(tmp_path: Path) -> None:
    module = tmp_path / "own_actors" / "greeting.py"
    module.parent.mkdir()
    module.write_text("import dramatiq\n\n@dramatiq.actor\ndef greet() -> None: ...\n")
    with running(tmp_path, "--watch", CALLBOARD_ACTORS=f"{module.parent}/") as house:
        log = house.data / "logs" / "up.log"
        [before] = house.pids("worker")
        person = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        person.open(house.link(), timeout=60).close()
        module.write_text("import dramatiq\n\n@dramatiq.actor\ndef greet_again() -> None: ...\n")
        living = set()

        def is_reloaded() -> bool:
            state = Folder(house.data).read_state()
            living.add(any(part.role == "worker" for part in state.alive))
            return "the new code serves" in log.read_text()

        eventually(is_reloaded, deadline_s=60, what="the new code serves")

        for _ in range(10):  # of each process of the front end
            with person.open(f"{house.status['url']}/actors/greet_again", timeout=60) as form:
                assert form.status == 200
        assert living == {True}
        [supervisor] = house.pids("supervisor")
        assert pss_mb(supervisor) < RELOADED_MB
        assert "1 new actor (greet_again), 1 removed actor (greet) in" in log.read_text()
        assert titles(house)["worker"] == "callboard worker-1"
        assert house.pids("worker") != [before]

        [present] = house.pids("worker")
        module.write_text("import dramatiq\n\n@dramatiq.actor\ndef broken(text: str -> None: ...\n")

        eventually(lambda: "greeting.py:4" in log.read_text(), deadline_s=60, what="the wrong line is reported")
        assert house.pids("worker") == [present]
