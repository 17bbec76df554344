"""Wiring: src/wiring.py connects every hook in every kind of process, and a hook that is not connected says how to cure that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

import src.actors
from src import wiring
from src.broker.recover import reconciler
from src.hooks import Hook, NotConnected
from src.jobs.core import envelopes
from src.jobs.failures import counting
from src.jobs.search import texts
from src.jobs.webhooks import events
from tests.harness import ROOT

assert src.actors

#: how each kind of process begins
BEGINNINGS = {
    "worker": "from dramatiq.cli import import_broker; import_broker('src.actors')",
    "child": "from src.broker.isolate import child; child.load(['src.actors'])",
    "web": "from src.web import create_app; create_app()",
    "scheduler": "import src.scheduling.clock",
    "command": "from src.cli.shared.calls import writing\nwith writing(None): pass",
    "program": "from src.actors.arithmetic import add",
}
#: code that uses a hook, by the hook's name
USES: dict[str, Callable[[], object]] = {
    "publisher": lambda: envelopes.announce(Session(), []),
    "webhook delivery": lambda: events.note(Session(), [1]),
    "failure mail": lambda: counting.request_count(Session(), [1]),
    "search fields": lambda: texts.text_of("add", [1, 2], {}),
    "fleet watch": lambda: reconciler.Reconciler().start(),
}
#: a program that knows src.jobs only: it submits a job of an actor that it has made itself
JOBS_ALONE = """
from dramatiq import Message
from src.hooks import NotConnected
from src.jobs import submit
from src.jobs.core.models import Job
from src.sql.database import read, write

try:
    with write() as session:
        submit(session, Message("default", "add", (1, 2), {}, {}))
except NotConnected as error:
    print(error)
with read() as session:
    print(session.query(Job).count(), "jobs")
"""


def python(program: str, database: Path | None = None) -> str:
    environment = {**os.environ} if database is None else {**os.environ, "CALLBOARD_DATABASE_URL": f"sqlite:///{database}"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def migrated(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), tmp_path / "callboard.db"))


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_each_process_connects_every_hook(kind: str, migrated: Path) -> None:
    printed = python(f"{BEGINNINGS[kind]}\nfrom src import wiring\nprint(wiring.unconnected())", migrated)

    assert printed.splitlines()[-1] == "[]"


def test_each_hook_has_a_use_here() -> None:
    assert [hook.name for hook in wiring.HOOKS] == list(USES)


@pytest.mark.parametrize("hook", wiring.HOOKS, ids=lambda hook: hook.name)
def test_an_unconnected_hook_raises_where_it_is_used(hook: Hook[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "_part", None)

    with pytest.raises(NotConnected, match=rf"'{hook.name}'.* Import src\.actors first"):
        USES[hook.name]()
    assert wiring.unconnected() == [hook.name]


def test_a_program_that_imports_jobs_alone_is_told_and_has_changed_nothing(migrated: Path) -> None:
    error, count = python(JOBS_ALONE, migrated).splitlines()

    assert error == "Nothing is connected to the hook 'publisher'. Import src.actors first: it connects every hook."
    assert count == "0 jobs"


def test_the_use_that_docs_operating_recommends_connects_every_hook(migrated: Path) -> None:
    found = re.search(r"```python run\n(.*?)```", (ROOT / "docs" / "how-to" / "operating.md").read_text(), re.DOTALL)
    assert found is not None

    printed = python(f"{found[1]}\nfrom src import wiring\nprint(wiring.unconnected())\nsrc.actors.broker.close()", migrated)

    assert printed.splitlines()[-1] == "[]"


def test_a_replaced_part_comes_back() -> None:
    hook: Hook[int] = Hook("a number")
    hook.connect(1)
    with hook.replaced(2):
        assert hook.part == 2
    assert hook.part == 1
