"""Fixtures of producers that still import Celery.

producer   runs producer.py in a virtual environment with the newest Celery 5; installed once per pytest process
callboard  a Callboard whose commands recover quickly and read the producers' queue
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.celery import ROUNDS_S
from tests.faults.chaos import faults
from tests.faults.chaos.conftest import IMPATIENT
from tests.harness import ROOT
from tests.harness.callboard import Callboard
from tests.harness.services import BrokerNode

Producer = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def celery_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a virtual environment that has Celery and nothing of ours."""
    folder = tmp_path_factory.mktemp("celery") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "celery>=5,<6"], check=True, capture_output=True
    )
    return python


@pytest.fixture
def producer(celery_python: Path, tmp_path: Path) -> Producer:
    folder = tmp_path / "producer"
    folder.mkdir()
    own = (ROOT / "tests" / "actors" / "moved_tasks.py").read_text()
    (folder / "tasks.py").write_text(own.replace("from src.celery import", "from celery import"))
    (folder / "producer.py").write_text((Path(__file__).parent / "producer.py").read_text())
    (folder / "results").mkdir()

    def run(url: str, *arguments: str) -> dict[str, Any]:
        command = [str(celery_python), "producer.py", url, f"file://{folder}/results", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=ROUNDS_S)
        assert done.returncode == 0, done.stderr
        sent: dict[str, Any] = json.loads(done.stdout)
        return sent

    return run


@pytest.fixture
def callboard(database_url: str, broker_node: BrokerNode, tmp_path: Path) -> Iterator[Callboard]:
    settings: dict[str, Any] = {
        **IMPATIENT, faults.STRUCK: tmp_path / "struck", "EFFECTS": tmp_path / "effects", "celery_queues": "celery", "max_crashes": 1000,
    }  # fmt: skip
    with Callboard(broker_node, database_url, tmp_path, actors="tests.actors.moved_tasks,tests.actors.chaos", **settings) as made:
        yield made
