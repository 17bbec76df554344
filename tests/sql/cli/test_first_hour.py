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
from tests.sql.cli.conftest import Terminal


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return fork_server.server().run(["-m", "src", *words], {**os.environ, **environment})


@pytest.mark.parametrize(
    "words",
    [("submit", "add", "--x", "1"), ("submit", "add", "--help"), ("scheduler",), ("worker",), ("web",)],
    ids=" ".join,
)
def test_an_actor_that_cannot_be_loaded_is_named_with_its_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = tmp_path / "broken_actors"
    folder.mkdir()
    (folder / "hello.py").write_text("import dramatiq\n\ndef half(:\n")
    done = run(*words, CALLBOARD_ACTORS=f"{folder}/", CALLBOARD_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{folder}/hello.py:3  def half(:" in done.stderr
    assert len(done.stderr.splitlines()) <= 4


SHOP = """
import dramatiq
from pydantic import SecretStr

@dramatiq.actor
def charge(card: SecretStr, amount: int) -> None: ...
"""


def test_verbs_that_operate_work_without_a_module_that_cannot_be_loaded(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "team_of_broken"
    folder.mkdir()
    (folder / "whole.py").write_text("import dramatiq\n\n@dramatiq.actor\ndef pack(order: int): ...\n")
    (folder / "hello.py").write_text(SHOP)
    terminal.environment["CALLBOARD_ACTORS"] = f"{folder}/"
    id = terminal.run("submit", "charge", "--card", "4111222233334444", "--amount", "5")
    other = terminal.run("submit", "pack", "--order", "17")
    terminal.run("schedule", "create", "--every", "1h", "nightly", "charge", "--card", "4111222233334444", "--amount", "5")
    (folder / "hello.py").write_text("import no_such_module\n" + SHOP)

    cause = "ModuleNotFoundError: No module named 'no_such_module'"
    warning = f"⚠ Without team_of_broken.hello, which cannot be loaded: {cause}\n    at {folder}/hello.py:1  import no_such_module\n"

    for words in (
        ("jobs",), ("job", id), ("job", id, "--log"), ("pause", "all"), ("resume", "all"), ("pauses",), ("workers",), ("schedules",),
        ("schedule", "show", "nightly"), ("schedule", "pause", "nightly"), ("errors",), ("workflows",), ("top", "--once"), ("cancel", id),
    ):  # fmt: skip
        done = terminal.call(*words)
        assert "4111222233334444" not in done.stdout + done.stderr, words
        assert "sealed" not in done.stdout, words
        assert done.stderr in ("", warning), words  # some load no actors
    assert terminal.call("jobs").stderr == terminal.call("pause", "all").stderr == warning
    shown = json.loads(terminal.run("job", id))
    assert (shown["state"], shown["kwargs"]) == ("cancelled", {"card": "••••••", "amount": "••••••"})
    assert json.loads(terminal.run("job", other))["kwargs"] == {"order": 17}
    for line in ("submit pack --order 1", "schedule change nightly --every 2h", f"edit {other} --order 3"):
        assert "The application cannot be loaded" in terminal.run(*line.split(), code=1)


DECLARED = "import dramatiq\n\n@dramatiq.actor({})\ndef ours(): ...\n"


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("import sys\nsys.exit()\n", "ends the program when it is imported: sys.exit(None)", 2),
        ("import sys\nsys.exit('stop')\n", "sys.exit('stop')", 2),
        ("x = 1\0\n", "null bytes", None),
        ("raise ValueError('why')\n", "ValueError: why", 1),
        (DECLARED.format("max_retrys=3"), "do you mean max_retries?", 3),
        (DECLARED.format("rate_limit='fast'"), "'fast' is not a rate limit", 3),
        (DECLARED.format("actor_name='add'"), "An actor named 'add' is already registered", 3),
        (DECLARED.format("actor_name='a\\nb'"), "the name of an actor", 3),
        (DECLARED.format("actor_name='x' * 201"), "the name of an actor", 3),
        (DECLARED.format("queue_name='x' * 201"), "queue_name has at most 200 characters", 3),
    ],
)
def test_what_a_module_does_at_its_import_is_named_with_the_line_of_the_team(
    tmp_path: Path, text: str, words: str, line: int | None
) -> None:
    folder = tmp_path / "team_of_hello"
    folder.mkdir()
    (folder / "hello.py").write_text(text)
    done = run("submit", "add", "--x", "1", "--y", "2", CALLBOARD_ACTORS=f"{folder}/", CALLBOARD_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "None:None" not in done.stderr
    if line is None:
        assert "while importing team_of_hello.hello" in done.stderr
    elif "sys.exit" not in text:
        assert f"{folder}/hello.py:{line}" in done.stderr
    assert len(done.stderr.splitlines()) <= 3


def test_a_module_that_is_not_there_is_named_by_its_setting(tmp_path: Path) -> None:
    done = run("submit", "add", CALLBOARD_ACTORS="shop.tasks", CALLBOARD_DATA_DIR=str(tmp_path / "data"))
    assert "CALLBOARD_ACTORS names shop.tasks, and there is no module shop here." in done.stderr
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 2)


def test_what_a_module_prints_is_no_part_of_a_commands_output(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "team_that_prints"
    folder.mkdir()
    (folder / "hello.py").write_text("print('hello from an import')\n")
    done = fork_server.server().run(
        ["-m", "src", "submit", "add", "--x", "1", "--y", "2"], {**terminal.environment, "CALLBOARD_ACTORS": f"{folder}/"}
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert "hello from an import" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("submitt",), "There is no command 'submitt'. Did you mean submit?"),
        (("wrkers",), "There is no command 'wrkers'. Did you mean workers?"),
        (("Status",), "There is no command 'Status'. Did you mean status?"),
        (("start",), "There is no command 'start'. Did you mean up?"),
        (("beat",), "There is no command 'beat'. Did you mean scheduler?"),
        (("xyzzy",), "There is no command 'xyzzy'. ./run --help lists them."),
        (("schedule", "delte", "x"), "There is no command 'delte'. Did you mean delete?"),
        (("token", "make"), "There is no command 'make'. ./run token --help lists them."),
    ],
)
def test_a_misspelled_command_is_refused_with_the_one_that_was_meant(words: tuple[str, ...], sentence: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"✘ {sentence}\n")


@pytest.mark.parametrize("words", [("-h",), ("help",), ("submit", "-h"), ("schedule", "help")])
def test_help_is_asked_for_in_several_ways(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: ./run")


def test_top_in_a_pipe_prints_one_frame(terminal: Terminal) -> None:
    assert "workers" in terminal.run("top")


def test_logs_of_a_part_that_is_not_there_are_refused_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir(parents=True)
    (tmp_path / "logs" / "web.log").write_text("x\n")
    done = run("logs", "wrker", "--data", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no log of wrker" in done.stderr
    assert "There are those of web." in done.stderr


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
