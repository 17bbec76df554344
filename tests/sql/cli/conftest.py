"""Fixtures of the command line: commands as users call them, on a fresh SQLite database without a broker."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.sql.database import Database
from tests.harness import fork_server


class Terminal:
    """`./run VERB …` on one database."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / 'callboard.db'}")
        self.environment = {
            **os.environ,
            "CALLBOARD_DATA_DIR": str(folder),
            "CALLBOARD_BROKER_URL": "amqp://127.0.0.1:1/",  # a closed port: these tests are about rows
        }

    def run(self, *words: str, code: int = 0) -> str:
        """Return the command's output or complaint; it must end with this exit code."""
        done = self._call(words, code)
        return (done.stdout if code == 0 else done.stderr).strip()

    def prints(self, *words: str, code: int = 0) -> str:
        """Return the command's output, whatever its exit code."""
        return self._call(words, code).stdout.strip()

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Return the finished command, which must succeed."""
        return self._call(words, 0)

    def _call(self, words: tuple[str, ...], code: int) -> subprocess.CompletedProcess[str]:
        done = fork_server.server().run(["-m", "src", *words], self.environment)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def completed(self, line: str) -> list[str]:
        """Return bash's completions of the last word; a line that ends with a space starts a new word."""
        asked = {"_CALLBOARD_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        done = fork_server.server().run(["-m", "src"], {**self.environment, **asked})
        assert done.returncode == 0, done.stderr
        return [each.partition(",")[2] for each in done.stdout.splitlines()]

    def seen(self, *words: str) -> tuple[int, str]:
        """Return the exit code, and the visible output of a command whose standard error is a terminal."""
        ours, theirs = pty.openpty()
        child = fork_server.server().start(["-m", "src", *words], self.environment, out=os.devnull, err=os.ttyname(theirs))
        seen = b""
        while child.poll() is None or select.select([ours], [], [], 0)[0]:
            if select.select([ours], [], [], 0.01)[0]:
                seen += os.read(ours, 65536)
        os.close(theirs)
        os.close(ours)
        return child.wait(), seen.decode()


@pytest.fixture
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), tmp_path / "callboard.db")
    opened = Terminal(tmp_path)
    yield opened
    opened.database.engine.dispose()
