"""Wiring: src/wiring.py connects every hook in every kind of process, and in the programs that the docs recommend."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT

#: how each kind of process begins
BEGINNINGS = {
    "worker": "from dramatiq.cli import import_broker; import_broker('src.actors')",
    "child": "from src.broker.isolate import child; child.load(['src.actors'])",
    "web": "from src.web import create_app; create_app()",
    "scheduler": "import src.scheduling.clock",
    "command": "from src.cli.shared.calls import writing\nwith writing(None): pass",
    "program": "from src.actors.arithmetic import add",
}


def python(program: str, database: Path | None = None) -> str:
    environment = {**os.environ} if database is None else {**os.environ, "CALLBOARD_DATABASE_URL": f"sqlite:///{database}"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def migrated(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), tmp_path / "callboard.db"))


#: begins as each kind of process in a child of its own, which finds the libraries imported, and nothing of ours
PROGRAM = """
import os, sys
import apscheduler.schedulers.background, dramatiq.cli, flask_wtf, gunicorn.app.wsgiapp, pydantic_settings, sqlalchemy.orm
assert not [name for name in sys.modules if name.partition(".")[0] == "src"]
for kind, beginning in {beginnings!r}.items():
    if os.fork() == 0:
        exec(beginning)
        from src import wiring
        print(f"{{kind}} lacks {{wiring.unconnected()}}", flush=True)
        os._exit(0)
    os.wait()
"""


def test_each_process_connects_every_hook(migrated: Path) -> None:
    printed = python(PROGRAM.format(beginnings=BEGINNINGS), migrated)

    assert [line for line in printed.splitlines() if " lacks " in line] == [f"{kind} lacks []" for kind in BEGINNINGS]


def test_the_use_that_docs_operating_recommends_connects_every_hook(migrated: Path) -> None:
    found = re.search(r"```python run\n(.*?)```", (ROOT / "docs" / "how-to" / "operating.md").read_text(), re.DOTALL)
    assert found is not None

    printed = python(f"{found[1]}\nfrom src import wiring\nprint(wiring.unconnected())\nsrc.actors.broker.close()", migrated)

    assert printed.splitlines()[-1] == "[]"
