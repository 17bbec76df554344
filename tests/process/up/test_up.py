"""./run up as a user runs it: one whole Callboard, with parts killed now and then."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from src.up.data import process_identity
from tests.harness import ROOT, fork_server
from tests.harness.waiting import eventually
from tests.process.fresh.browser import create_users

#: a RabbitMQ that does not answer: for tests that need none, as starting one is most of their time
AWAY = "amqp://u:s3cret@127.0.0.1:1/"


@dataclass(frozen=True)
class House:
    """A data folder and the verbs called on it."""

    data: Path

    def call(self, verb: str, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command: `up` in a new interpreter, as a shell starts it, the others forked."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLBOARD_")}
        command, environment = ["-m", "src", verb, *arguments, "--data", str(self.data)], {**environment, **variables}
        if verb == "up":
            done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
        else:
            done = fork_server.server().run(command, environment, within_s=300)
        assert not check or done.returncode == 0, f"{verb}: {done.stdout}{done.stderr}"
        return done

    def up(self, *arguments: str, workers: int = 1, **variables: Any) -> str:
        return self.call("up", "--detach", "--port", "0", "--workers", str(workers), *arguments, **variables).stdout

    @property
    def actors(self) -> Path:
        """A folder of actors beside the data."""
        return self.data.parent / "own_actors"

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.call("status", "--json").stdout)
        return found

    def pids(self, role: str) -> list[int]:
        """Process ids of the role's parts that are running."""
        return [process["pid"] for process in self.status["processes"] if process["role"] == role and process["pid"]]

    @property
    def is_ready(self) -> bool:
        return bool(self.status["ready"])

    def is_ready_without(self, victim: int) -> bool:
        """True if all parts run again and this process is none of them."""
        status = self.status
        return bool(status["ready"]) and victim not in [process["pid"] for process in status["processes"]]

    def link(self) -> str:
        return self.call("sign-in").stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    # A folder may have any name: nothing of it is taken for a part of a URL, of a configuration or of a shell's line.
    made = House(tmp_path_factory.mktemp("house") / "data #1?x=%25 ü$&")
    made.actors.mkdir()
    said = made.up("--watch", workers=2, CALLBOARD_ACTORS=f"{made.actors}/")
    assert re.search(
        r"✔ ready in \S+ s +http://127\.0\.0\.1:\d+/\S+$",
        said.rstrip(),
    ), said
    assert re.search(r"RabbitMQ UI: http://127\.0\.0\.1:\d+ ", said)
    assert re.search(r"mail: http://127\.0\.0\.1:\d+/mailbox$", said, re.MULTILINE)
    assert re.search(r"first start: user admin, password \S{12,}", said)
    yield made
    made.call("down")
    assert process_identity.marked(made.data) == []


def test_the_shell_reads_a_program_from_a_pipe_and_reaches_the_running_callboard(house: House) -> None:
    program = """
def total(id):
    return job(id).wait(60)
with Session() as session, session.begin():
    receipt = submit(session, add.message(20, 22))
print("sum:", total(receipt.id), broker is actors.broker)
"""
    command = [sys.executable, "-m", "src", "shell", "--data", str(house.data)]
    done = subprocess.run(command, cwd=ROOT, input=program, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "sum: 42 True\n"), done.stderr

    done = subprocess.run(command, cwd=ROOT, input="1 / 0\nprint('it goes on')", capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (1, "")
    assert "ZeroDivisionError" in done.stderr


def test_the_status_has_its_public_form(house: House) -> None:
    status = house.status

    assert status["ready"] is True
    assert set(status) == {"ready", "url", "broker", "database_url", "processes"}
    assert set(status["broker"]) == {"url", "management_url", "pid"}
    assert status["broker"]["url"].startswith("amqp://callboard:")
    assert status["database_url"].startswith("sqlite:////")
    roles = [process["role"] for process in status["processes"]]
    assert sorted(roles) == ["broker", "mailbox", "scheduler", "supervisor", "web", "worker", "worker"]
    assert all(set(process) == {"role", "pid", "state", "restarts"} for process in status["processes"])


def test_a_person_gets_from_the_link_to_a_list_of_users(house: House) -> None:
    assert create_users(house.link(), total=60) >= 60


def test_a_second_up_says_so_and_starts_nothing(house: House) -> None:
    before = house.status["processes"]

    said = house.up()

    assert "already running here: http://127.0.0.1" in said
    assert house.status["processes"] == before


def test_a_job_is_submitted_and_followed_at_a_terminal(house: House) -> None:
    done = house.call("submit", "add", "--x", "2", "--y=3", "--wait")

    id, result = done.stdout.split()
    assert result == "5"
    assert json.loads(house.call("job", id).stdout)["state"] == "succeeded"
    assert id in house.call("jobs", "actor:add").stdout


def test_a_wrong_argument_at_a_terminal_names_it(house: House) -> None:
    done = house.call("submit", "create_random_user_accounts", "--total", "7", check=False)

    assert done.returncode == 1
    assert "--total: " in done.stderr
    assert "Traceback" not in done.stderr
    assert "no argument --tottal" in house.call("submit", "create_random_user_accounts", "--tottal", "70", check=False).stderr


def test_a_token_serves_the_api(house: House) -> None:
    token = house.call("token", "create", "robot", "--role", "submitter").stdout.strip()
    request = urllib.request.Request(house.status["url"] + "/api/v1/jobs", b'{"actor": "add", "args": [1, 2]}')
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("Content-Type", "application/json")

    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202


def test_a_saved_actor_is_loaded_and_one_that_cannot_be_imported_changes_nothing(house: House) -> None:
    parts = house.status["processes"]
    (house.actors / "shouting.py").write_text("import dramatiq\n\n@dramatiq.actor\ndef shout(text: str -> str:\n    return text.upper()\n")
    log = house.data / "logs" / "up.log"
    eventually(lambda: "shouting.py:4" in log.read_text(), deadline_s=30, interval_s=0.2, what="the wrong line is reported")
    assert house.status["processes"] == parts

    (house.actors / "shouting.py").write_text("import dramatiq\n\n@dramatiq.actor\ndef shout(text: str) -> str:\n    return text.upper()\n")
    done = house.call("submit", "shout", "--text", "hello", "--wait", CALLBOARD_ACTORS=f"{house.actors}/")

    assert done.stdout.split()[1] == '"HELLO"'
    eventually(
        lambda: "Reloaded shouting.py: 1 new actor (shout) in" in log.read_text(),
        deadline_s=60,
        interval_s=0.2,
        what="all workers are renewed",
    )
    eventually(lambda: house.is_ready, deadline_s=30, interval_s=0.2, what="all parts are there again")
    assert {each["restarts"] for each in house.status["processes"]} == {0}, "to load what was saved is no death"
    assert not {each["pid"] for each in parts if each["role"] == "worker"} & set(house.pids("worker"))
    assert {each["pid"] for each in parts if each["role"] == "web"} == set(house.pids("web")), "its port is never closed"


@pytest.mark.parametrize(
    "role", ["worker", "broker", *(pytest.param(role, marks=pytest.mark.slow) for role in ("web", "scheduler", "mailbox"))]
)
def test_a_killed_part_comes_back_alone(house: House, role: str) -> None:
    before = {process["pid"]: process["role"] for process in house.status["processes"]}
    victim = house.pids(role)[0]

    os.kill(victim, signal.SIGKILL)

    eventually(lambda: house.is_ready_without(victim), deadline_s=60, interval_s=0.3)
    after = {process["pid"]: process["role"] for process in house.status["processes"]}
    assert {pid for pid in before if pid != victim} <= set(after), "nobody else was started again"


def test_after_a_kill_of_up_itself_its_parts_end_and_the_next_up_starts_them(house: House) -> None:
    [supervisor] = house.pids("supervisor")
    workers = house.pids("worker")
    parts = [part for process in house.status["processes"] if (part := process_identity.identify(process["pid"])) is not None]

    os.kill(supervisor, signal.SIGKILL)

    assert [process_identity.command_line(part.pid) for part in process_identity.wait_gone(parts, 60)] == []
    assert "was killed" in house.call("status", check=False).stdout
    said = house.up()
    assert "first start" not in said
    assert house.is_ready
    assert house.call("jobs").stdout, "the jobs of before are there"
    assert not set(workers) & set(house.pids("worker"))


@pytest.mark.slow  # the node of the run and that of this house run side by side in each test
def test_two_data_folders_run_side_by_side(house: House, tmp_path: Path) -> None:
    other = House(tmp_path / "other")
    try:
        other.up()
        assert house.is_ready
        assert other.is_ready
        assert other.status["url"] != house.status["url"]
        assert other.status["broker"]["url"] != house.status["broker"]["url"]
    finally:
        other.call("down")
    assert house.is_ready


def test_with_its_rabbitmq_away_everything_else_starts_beside_another_house_and_says_so(house: House, tmp_path: Path) -> None:
    fresh = House(tmp_path / "data")

    said = fresh.call("up", "--detach", "--port", "0", "--workers", "1", CALLBOARD_BROKER_URL=AWAY)
    try:
        assert "RabbitMQ at 127.0.0.1:1 does not answer" in said.stdout + said.stderr
        assert "✔ ready in" in said.stdout
        assert "s3cret" not in said.stdout + said.stderr
        assert fresh.is_ready
        assert house.is_ready
        assert fresh.status["url"] != house.status["url"]
        id = fresh.call("submit", "add", "--x", "2", "--y=3").stdout.strip()
        assert json.loads(fresh.call("job", id).stdout)["state"] == "queued"
    finally:
        fresh.call("down")


def test_down_ends_also_what_a_killed_up_left(house: House) -> None:
    [supervisor] = house.pids("supervisor")
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: process_identity.identify(supervisor) is None)

    house.call("down")

    assert process_identity.marked(house.data) == []
    assert house.status["processes"] == []
    assert "Not running" in house.call("down").stdout


def test_a_taken_port_is_reported_before_anything_starts(tmp_path: Path) -> None:
    fresh = House(tmp_path / "data")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = fresh.call("up", "--port", str(taken.getsockname()[1]), check=False)

    assert done.returncode == 1
    assert "is in use by process" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert process_identity.marked(fresh.data) == []


def test_a_broken_actor_module_is_reported_with_its_line(tmp_path: Path) -> None:
    fresh = House(tmp_path / "data")
    (tmp_path / "broken_actors.py").write_text("import a_package_nobody_has\n")

    done = fresh.call("up", "--detach", check=False, CALLBOARD_ACTORS="broken_actors", PYTHONPATH=str(tmp_path), CALLBOARD_BROKER_URL=AWAY)

    assert done.returncode == 1
    assert "broken_actors.py:1" in done.stdout
    assert "a_package_nobody_has" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert process_identity.marked(fresh.data) == []


def test_an_unreachable_database_is_reported(tmp_path: Path) -> None:
    fresh = House(tmp_path / "data")

    url = "postgresql://u:s3cret@127.0.0.1:1/x"
    done = fresh.call("up", check=False, CALLBOARD_DATABASE_URL=url, CALLBOARD_PORT="0", CALLBOARD_BROKER_URL=AWAY)

    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert process_identity.marked(fresh.data) == []
