"""A newcomer's first hour: an actor that cannot be loaded, and a Python shell beside the running fleet."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from src.settings import Settings, get_settings
from src.up.checks import status
from src.up.data.data_folder import Folder, PartRecord, State
from src.up.data.process_identity import identify
from tests.harness import fork_server


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return fork_server.server().run(["-m", "src", *words], {**os.environ, **environment})


@pytest.mark.parametrize(
    "words",
    [("submit", "add", "--x", "1"), ("jobs",), ("schedules",), ("submit", "add", "--help"), ("scheduler",), ("worker",), ("web",)],
    ids=" ".join,
)
def test_an_actor_that_cannot_be_loaded_is_named_with_its_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = tmp_path / "broken_actors"
    folder.mkdir()
    (folder / "hello.py").write_text("import dramatiq\n\ndef half(:\n")
    done = run(*words, CALLBOARD_ACTORS=f"{folder}/", CALLBOARD_DATA_DIR=str(tmp_path / "data"))
    if words[0] == "schedules":  # which loads no actors to list
        assert "Traceback" not in done.stderr
        return
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{folder}/hello.py:3  def half(:" in done.stderr
    assert len(done.stderr.splitlines()) <= 4


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """The data folder of a living `./run up`: this process is its supervisor."""
    us = identify(os.getpid())
    assert us is not None
    folder = Folder(tmp_path)
    broker = PartRecord("broker", "broker", us.pid, us.started, "running", 0)
    supervisor = PartRecord("supervisor", "supervisor", us.pid, us.started, "running", 0)
    urls = {"broker_url": "amqp://callboard:planted@127.0.0.1:5799/callboard", "management_url": "http://callboard:planted@127.0.0.1:15799"}
    folder.write_state(State(phase="ready", url="http://127.0.0.1:1", **urls, supervisor=supervisor, parts=(broker,)))  # type: ignore[arg-type]
    return tmp_path


def test_a_python_beside_it_finds_its_broker(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_DATA_DIR", str(beside))
    get_settings.cache_clear()
    assert get_settings().broker_url.endswith("@127.0.0.1:5799/callboard")
    assert "broker_url" not in get_settings().model_fields_set
    monkeypatch.setenv("CALLBOARD_BROKER_URL", "amqp://other/")
    get_settings.cache_clear()
    assert get_settings().broker_url == "amqp://other/"
    monkeypatch.delenv("CALLBOARD_BROKER_URL")
    state = json.loads((beside / "state.json").read_text())
    dead: object
    for dead in ({**state, "supervisor": {**state["supervisor"], "pid": 2**22 + 1}}, {**state, "supervisor": None}, []):
        (beside / "state.json").write_text(json.dumps(dead))
        get_settings.cache_clear()
        assert get_settings().broker_url == Settings.model_fields["broker_url"].default
    get_settings.cache_clear()


def test_status_shows_the_addresses_of_the_private_node_with_their_passwords(beside: Path) -> None:
    folder = Folder(beside)
    told = "\n".join(status.as_text(folder, folder.read_state()))
    assert "amqp://callboard:planted@127.0.0.1:5799/callboard" in told
    assert "http://callboard:planted@127.0.0.1:15799" in told
    state = folder.read_state()
    elsewhere = "\n".join(status.as_text(folder, State(**{**state.__dict__, "parts": (PartRecord("web", "web", 1, "", "running", 0),)})))
    assert "planted" not in elsewhere


def test_the_shell_has_the_actors_by_name_and_sees_the_jobs(database_url: str, tmp_path: Path) -> None:
    program = "id = add.send_with_options(args=(1, 2), delay=3_600_000).message_id; print(job(id).state.value, broker is actors.broker)"
    done = run(
        "shell",
        "-c",
        program,
        CALLBOARD_DATABASE_URL=database_url,
        CALLBOARD_DATA_DIR=str(tmp_path),
        CALLBOARD_BROKER_URL="amqp://127.0.0.1:1",
    )
    assert done.stdout.split("\n")[0] == "scheduled True", done.stderr
    assert done.returncode == 0
