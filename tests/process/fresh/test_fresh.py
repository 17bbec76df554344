"""The whole set-up from scratch, once per Debian release. Minutes of downloads: only with --slow, as root, with debootstrap."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.harness import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def _can_be_made() -> None:
    """Fail instead of skipping: these tests run only on request."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise RuntimeError(
            "A root file system is made by root with debootstrap: sudo apt-get install debootstrap, then ./run test --slow as root."
        )


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_two_commands_on_a_fresh_debian(suite: str) -> None:
    # Without its own ./run test: this is one.
    subprocess.run([sys.executable, "-m", "tests.process.fresh.run_fresh", suite, "--no-tests"], cwd=ROOT, check=True)


def test_the_dockerfiles_steps_run_in_a_bare_root_file_system() -> None:
    subprocess.run([sys.executable, "-m", "tests.process.fresh.run_dockerfile"], cwd=ROOT, check=True)
