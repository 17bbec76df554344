"""The Python of README and docs is Python, and what is marked as such runs: ```python actors is loaded by a worker, ```python run runs beside it."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.callboard import Callboard
from tests.harness.services import BrokerNode

#: info words behind ```python: a module of actors; code that uses those of its page; a fragment that is not valid Python by itself
MARKS = ("", "actors", "run", "fragment")
_BLOCK = re.compile(r"^```python *([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> dict[str, list[tuple[str, str]]]:
    """The Python blocks of each page: mark and code."""
    pages = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
    return {_module_name(page): _BLOCK.findall(page.read_text()) for page in pages if page.exists()}


def _module_name(page: Path) -> str:
    """Name a page as a module: docs/how-to/recipes.md is docs_how_to_recipes."""
    return re.sub(r"\W", "_", str(page.relative_to(ROOT).with_suffix(""))).lower()


def code_of(mark: str) -> dict[str, str]:
    """By page, the code of all its blocks of one mark."""
    found: dict[str, list[str]] = defaultdict(list)
    for page, those in blocks().items():
        for each, code in those:
            if each == mark:
                found[page].append(code)
    return {page: "\n\n".join(codes) for page, codes in found.items()}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, broker_node: BrokerNode, request: pytest.FixtureRequest) -> Iterator[Callboard]:
    """A user who has typed the docs' examples; on SQLite alone, since the docs are about neither store."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), folder / "callboard.db")
    (folder / "documented").mkdir()
    for page, code in code_of("actors").items():
        (folder / "documented" / f"{page}.py").write_text(code)
    url = f"sqlite:///{folder / 'callboard.db'}"
    with Callboard(broker_node, url, folder, actors=f"{folder}/documented/") as callboard:
        callboard.serve()
        yield callboard


def test_every_block_is_python_and_its_mark_is_known() -> None:
    for page, those in blocks().items():
        for mark, code in those:
            assert mark in MARKS, page
            if mark != "fragment":
                compile(code, page, "exec")
    assert {"readme", "docs_tutorial_tour", "docs_how_to_recipes"} <= code_of("run").keys() & code_of("actors").keys()


def test_the_runnable_examples_of_the_pages_run(reader: Callboard) -> None:
    actors = code_of("actors")
    for page, code in code_of("run").items():
        known = f"from documented.{page} import *\n" if page in actors else ""
        reader.python(f"import src.actors\n{known}{code}\nsrc.actors.broker.close()")
    assert {job["actor"] for job in reader.api("GET", "/jobs?limit=200")["jobs"]} >= {"greet", "say_hello", "rebuild_index", "fetch_orders"}
