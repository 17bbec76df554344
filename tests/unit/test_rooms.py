"""The import contracts of setup.cfg hold: which room may know which. No folder is too large."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT, folders


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("lint-imports"))
    return subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120)


def test_imports_go_one_way() -> None:
    done = lint(ROOT)

    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    "hidden", ["from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import b", "def use():\n    from . import b"]
)
def test_a_circle_is_found_where_its_import_is_hidden(hidden: str, tmp_path: Path) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    kept = {"importlinter": dict(setup["importlinter"]), "importlinter:contract:circles": dict(setup["importlinter:contract:circles"])}
    config = configparser.ConfigParser()
    config.read_dict(kept)
    with open(tmp_path / "setup.cfg", "w") as file:
        config.write(file)
    district = tmp_path / "src" / "room" / "district"
    district.mkdir(parents=True)
    for package in (district, district.parent, district.parent.parent):
        (package / "__init__.py").touch()
    (district / "a.py").write_text(hidden)
    (district / "b.py").write_text("from . import a")

    done = lint(tmp_path)

    assert done.returncode != 0
    assert "No cycles are allowed in src.room.district." in done.stdout


def test_no_folder_is_crowded() -> None:
    assert folders.crowded(ROOT / "src") == {}


def test_a_crowded_folder_is_found(tmp_path: Path) -> None:
    for folder, count in (("room", folders.MOST), ("room/district", folders.MOST + 1), ("migrations/versions", folders.MOST + 1)):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(count):
            (tmp_path / folder / f"part_{number}.py").touch()

    assert folders.crowded(tmp_path) == {"room/district": folders.MOST + 1}


def test_each_room_says_its_law() -> None:
    for room in (
        "audit",
        "jobs",
        "broker",
        "mail",
        "reports",
        "backup",
        "actors",
        "scheduling",
        "sql",
        "telemetry",
        "actor_schema",
        "web",
        "celery",
        "configuration",
        "formats",
    ):
        law = (ROOT / "src" / room / "__init__.py").read_text().split('"""')[1]
        assert "law of this room" in law, room
