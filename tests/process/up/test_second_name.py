"""The second name: the tree of src/ as the package `callboard`, beside an application that has a `src` of its own."""

from __future__ import annotations

import configparser
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT

#: prints modules of ours that were loaded by their first name, then the file of the application's `src`
PROBE = """
import sys
import callboard.actors, callboard.cli, callboard.jobs, callboard.web
callboard.web.create_app()
from callboard.cli import VERBS
import importlib
for place in sorted(set(VERBS.values())):
    importlib.import_module(f"callboard.cli.{place}")
ours = [name for name in sys.modules if name == "src" or name.startswith("src.")]
import src, src.shop
print(ours, src.__file__, src.shop.sell.actor_name)
"""

#: prints each verb and its help, as a terminal shows it
HELP = """
import click
from callboard.cli.entry import cli

def show(command, context):
    print(command.get_help(context))
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        print(name)
        if found := command.get_command(context, name):
            show(found, click.Context(found, parent=context, info_name=name))

show(cli, click.Context(cli, info_name="callboard"))
"""


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH that holds the package by its second name: built by setup.py, or linked where setuptools is missing."""
    if importlib.util.find_spec("setuptools") is not None:
        return Path(request.getfixturevalue("built"))
    folder = tmp_path_factory.mktemp("site")
    (folder / "callboard").symlink_to(ROOT / "src")
    return folder


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """The folder of an application whose own package is called `src`."""
    shop = tmp_path / "src" / "shop"
    shop.mkdir(parents=True)
    (tmp_path / "src" / "__init__.py").write_text("")
    (shop / "__init__.py").write_text(
        "import callboard.actors\nimport dramatiq\n\n@dramatiq.actor\ndef sell(what: str) -> str:\n    return what\n"
    )
    return tmp_path


def python(application: Path, site: Path, *arguments: str, **environment: str) -> str:
    path = os.pathsep.join([str(site), *(entry for entry in sys.path if entry.endswith("-packages"))])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=application,
        env={**os.environ, "PYTHONPATH": path, "CALLBOARD_DATA_DIR": str(application / "data"), **environment},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_module_of_ours_is_loaded_by_its_first_name(application: Path, site: Path) -> None:
    printed = python(application, site, "-c", PROBE)

    assert printed.split(" ") == ["[]", str(application / "src" / "__init__.py"), "sell\n"]


@pytest.mark.slow  # test_existing_application.py migrates by it
def test_the_command_line_answers_by_the_second_name(application: Path, site: Path) -> None:
    printed = python(application, site, "-m", "callboard", "--help")

    assert printed.startswith("Usage: callboard ")
    assert "submit" in printed


def test_every_help_text_names_the_installed_command_and_package(application: Path, site: Path) -> None:
    printed = python(application, site, "-c", HELP)

    assert "callboard submit ACTOR --help" in printed
    assert "dramatiq callboard.actors" in printed
    assert [text for text in ("./run", "src.") if text in printed] == []
    assert not {"test", "check"} & set(printed.splitlines()), "verbs of a checkout"


def test_the_cures_of_celerys_interface_name_the_installed_package(application: Path, site: Path) -> None:
    cures = "from callboard.celery.base.differences import DIFFERENCES; from callboard.celery.conf.keys import KEYS; print(*DIFFERENCES.values(), *KEYS)"
    printed = python(application, site, "-c", cures)

    assert "callboard.jobs.submit" in printed
    assert [text for text in ("./run", "src.") if text in printed] == []


@pytest.mark.slow  # as the worker of test_existing_application.py
def test_dramatiq_finds_the_actors_of_both(application: Path, site: Path) -> None:
    find = "from dramatiq.cli import import_broker; print(sorted(import_broker('callboard.actors')[1].actors))"

    printed = python(application, site, "-c", find, CALLBOARD_ACTORS="src.shop")

    assert "'add'" in printed
    assert "'sell'" in printed


def test_an_installed_package_takes_the_current_folder_for_the_project(application: Path, site: Path) -> None:
    places = "from callboard import COMMAND; from callboard.up.locations import ROOT; from callboard.up.rabbitmq.node_files import TEMPLATES; print(ROOT, COMMAND, TEMPLATES)"

    root, command, templates = python(application, site, "-c", places).split()

    assert (root, command) == (str(application), "callboard")
    assert templates.endswith("callboard/up/rabbitmq/templates")


def test_the_build_carries_every_file_of_the_tree(site: Path) -> None:
    if (site / "callboard").is_symlink():
        pytest.skip("only setuptools builds")
    built = {str(path.relative_to(site / "callboard")) for path in (site / "callboard").rglob("*") if path.is_file()}
    wanted = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    wanted |= {f"up/rabbitmq/templates/{path.name}" for path in (ROOT / "rabbitmq").iterdir()}
    tracked = subprocess.run(["git", "ls-files", "actors"], cwd=ROOT / "src", capture_output=True, text=True)
    if tracked.returncode == 0:  # of a team's own modules in src/actors, none
        wanted = {path for path in wanted if not path.startswith("actors/")} | set(tracked.stdout.split())

    assert {path for path in built if not path.endswith(".pyc")} == wanted


def test_the_build_leaves_out_the_teams_own_actors(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    checkout, built = tmp_path / "checkout", tmp_path / "built"
    for name in ("src", "rabbitmq"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    own = checkout / "src" / "actors" / "shop"
    own.mkdir()
    for path in (own / "__init__.py", own.with_name("greetings.py")):
        path.write_text("from src.jobs import submit\n")

    subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-lib", built], cwd=checkout, check=True, timeout=120, capture_output=True
    )

    actors = built / "callboard" / "actors"
    assert (actors / "upkeep.py").exists()
    assert not [name for name in ("greetings.py", "shop") if (actors / name).exists()]


def test_the_console_script_is_the_command_line() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")

    assert setup["options.entry_points"]["console_scripts"].strip() == "callboard = callboard.__main__:main"
