"""Modules of the page First steps: an application's own are imported in whatever order, by a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import ROOT, fork_server

TASKS = """
from src.celery import Celery

app = Celery('tasks', backend='rpc://', broker='pyamqp://guest@localhost//')


@app.task
def add(x, y):
    return x + y
"""
SHOW = "import src.actors; print(*sorted(name for name in src.actors.broker.actors if name.startswith(('tasks.', 'proj.', 'celery.', 'every'))))"


def python(program: str, folder: Path, **environment: str) -> list[str]:
    """Run a program in a process of its own, and return its output."""
    found = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}", **environment}
    done = fork_server.server().run(["-c", f"import sys; sys.path.append({str(folder)!r})\n{program}"], found)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_first_module_declares_its_task_in_a_worker(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)

    expected = ["celery.accumulate", "celery.backend_cleanup", "celery.chord_unlock", "celery.map", "celery.starmap", "tasks.add"]
    assert python(SHOW, tmp_path, CALLBOARD_ACTORS="tasks") == expected


def test_the_first_module_may_also_be_imported_first(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)

    assert python("from tasks import add; print(add(4, 4), add.name)", tmp_path, CALLBOARD_ACTORS="tasks") == ["8", "tasks.add"]
    assert python("from src.celery import current_app; print(current_app.main)", tmp_path, CALLBOARD_ACTORS="tasks") == ["tasks"]


def test_included_and_discovered_modules_are_imported_last(tmp_path: Path) -> None:
    package = tmp_path / "proj"
    for folder in (package, package / "billing"):
        folder.mkdir()
        (folder / "__init__.py").touch()
    (package / "celery.py").write_text(
        "from src.celery import Celery\napp = Celery('proj', include=['proj.tasks'])\napp.autodiscover_tasks(['proj.billing'])\n"
        "@app.on_after_configure.connect\ndef setup(sender, **kwargs):\n    from proj.tasks import add\n    sender.add_periodic_task(10.0, add.s(1, 2), name='every ten')\n"
    )
    (package / "tasks.py").write_text("from .celery import app\n@app.task\ndef add(x, y):\n    return x + y\n")
    (package / "billing" / "tasks.py").write_text("from src.celery import shared_task\n@shared_task\ndef bill():\n    pass\n")

    shown = python(SHOW, tmp_path, CALLBOARD_ACTORS="proj.celery")
    assert (
        " ".join(shown)
        == "celery.accumulate celery.backend_cleanup celery.chord_unlock celery.map celery.starmap every ten proj.billing.tasks.bill proj.tasks.add"
    )


def test_modules_of_tasks_and_classes_of_configuration_are_discovered(tmp_path: Path) -> None:
    package = tmp_path / "proj"
    package.mkdir()
    (package / "__init__.py").write_text("class Config:\n    name = 'proj'\n")
    (package / "apps.py").write_text("class Config:\n    name = 'proj'\n")
    task = "from src.celery import shared_task\n@shared_task\ndef {}():\n    pass\n"
    (package / "tasks.py").write_text(task.format("add"))
    (package / "mail_tasks.py").write_text(task.format("send"))
    (package / "app.py").write_text(
        "from src.celery import Celery\napp = Celery('proj')\n"
        "app.autodiscover_tasks(lambda: ['proj.mail_tasks', 'proj.apps.Config', 'proj.Config'])\n"
    )

    assert python(SHOW, tmp_path, CALLBOARD_ACTORS="proj.app")[-2:] == ["proj.mail_tasks.send", "proj.tasks.add"]


@pytest.mark.parametrize(("name", "text"), [("tasks", "import nothing_of_this_name"), ("__init__", "import nothing_of_this_name")])
def test_an_import_that_fails_within_a_discovered_module_is_raised(name: str, text: str, tmp_path: Path) -> None:
    package = tmp_path / "proj"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / f"{name}.py").write_text(text)
    program = "from src.celery import Celery\ntry:\n    Celery('proj').autodiscover_tasks(['proj'], force=True)\nexcept ModuleNotFoundError as error:\n    print(error.name)"

    assert python(program, tmp_path, CALLBOARD_ACTORS="tests.actors.web") == ["nothing_of_this_name"]
