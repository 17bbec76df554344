"""Celery's commands: the table and its page, refusals, and the module that -A names."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.__main__ import cli
from src.cli.celery import processes
from src.cli.celery.commands import celery
from src.cli.celery.commands_table import COMMANDS, OPTIONS, Effect
from src.cli.celery.running import module_of
from src.settings import get_settings
from src.up.errors import UpError
from tests.unit.celery.test_differences import PAGE, rows


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CALLBOARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv("CALLBOARD_ACTORS", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    get_settings.cache_clear()
    return tmp_path


def test_every_command_and_option_has_its_line_on_the_page() -> None:
    expected = [(f"celery {name}", row.effect.value, row.text.replace("|", "\\|")) for name, row in COMMANDS.items()]
    expected += [
        (f"celery {'' if command == 'celery' else f'{command} '}{name}", row.effect.value, row.text)
        for command, options in OPTIONS.items()
        for name, row in options.items()
    ]

    assert [(name.strip("`"), effect, text) for name, effect, text in rows(PAGE, "Commands")] == expected


def test_every_mapped_command_exists() -> None:
    mapped = {name.split()[0] for name, row in COMMANDS.items() if row.effect is Effect.MAPPED}

    assert mapped == set(celery.commands)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("control pool_grow 2", "celery control pool_grow is not available here. Instead: workers have a fixed number of threads"),
        ("control rate_limit x", "Give TASK RATE, not 1 words"),
        ("control cancel_consumer x -d here:1", "--destination of celery control cancel_consumer is not available here"),
        ("control terminate KILL 1", "The signal KILL is not available here"),
        ("inspect memdump", "celery inspect memdump is not available here. Instead: use `./run stack ID`"),
        ("inspect actives", "celery inspect has no action 'actives'. Choose one of: ping, "),
        ("inspect active now", "celery inspect active takes no further words, not 'now'"),
        ("multi start", "celery multi is not available here. Instead: start `./run worker` under systemd"),
        ("worker --autoscale 9,3", "--autoscale of celery worker is not available here. Instead: workers have a fixed number"),
        ("worker --pidfile= --uid www", "--uid of celery worker is not available here. Instead: systemd, Docker or `./run up`"),
        ("call x --serializer pickle", "--serializer of celery call is not available here. Instead: arguments are JSON"),
        ("-A nowhere.celery status", "There is no module nowhere.celery in "),
    ],
)
def test_a_command_without_counterpart_is_refused_with_its_name_and_the_cure(in_folder: Path, words: str, complaint: str) -> None:
    with pytest.raises(UpError, match=complaint.replace(".", r"\.").replace("(", r"\(")):
        cli.main(["celery", *words.split()], prog_name="./run", standalone_mode=False)


def test_a_worker_that_reads_only_celerys_default_queue_is_told_of_ours() -> None:
    assert "add default to --queues" in str(processes.unread("celery,mail"))
    assert [processes.unread(each) for each in ("", "mail", "celery,default")] == [None, None, None]


def test_queues_are_excluded_from_those_given_or_from_all() -> None:
    assert processes._all_but(["b"], "a,b,c") == "a,c"
    everything = processes._all_but(["default"], None).split(",")
    assert "mail" in everything
    assert "default" not in everything


def test_the_module_of_an_application_is_found_as_celery_finds_it(in_folder: Path) -> None:
    for path in ("proj/__init__.py", "proj/celery.py", "proj/tasks.py", "plain.py"):
        (in_folder / path).parent.mkdir(exist_ok=True)
        (in_folder / path).write_text("raise RuntimeError('imported')\n")

    assert {name: module_of(name) for name in ("proj", "proj.celery:app", "proj.celery.app", "proj.tasks", "plain")} == {
        "proj": "proj.celery", "proj.celery:app": "proj.celery", "proj.celery.app": "proj.celery", "proj.tasks": "proj.tasks", "plain": "plain",
    }  # fmt: skip
