"""Fixtures of the tests of whole installations.

built  session  a folder with the package `callboard`, as setup.py builds it: once for all pytest processes, compiled at its first import
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.services import Shared


@pytest.fixture(scope="session")
def built(shared: Shared) -> Path:
    if importlib.util.find_spec("setuptools") is None:  # Python 3.12's virtual environments have none
        pytest.skip("only setuptools builds")

    def make() -> str:
        folder = shared.folder / "built"
        build = ["setup.py", "-q", "build", "--build-base", str(shared.folder / "build"), "--build-lib", str(folder)]
        subprocess.run([sys.executable, *build], cwd=ROOT, check=True, timeout=120, capture_output=True)
        return str(folder)

    return Path(shared.once("built", make))
