"""A house for actors that behave badly: real worker commands, and a web front end, on one database and virtual host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from dramatiq import Message
from sqlalchemy import text

from src.database import Database
from src.jobs import attempt_logs
from src.jobs.models import Job
from src.jobs.queries import find
from src.jobs.submission import Submission, submit_many
from tests.actors.isolation import FOLDER
from tests.harness import ROOT
from tests.harness.ground import lay_ground, web_command
from tests.harness.waiting import eventually


class Worker:
    """One `dramatiq src.actors` command."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.command, self.environment, self.log = command, environment, log
        self.process = self._launch()

    def start_again(self) -> None:
        """As a supervisor does when it has died."""
        self.process = self._launch()

    def keep_running(self) -> None:
        """Start it again if it has ended."""
        if self.process.poll() is not None:
            self.start_again()

    def stop(self, timeout: float = 30) -> float:
        """SIGTERM, as a deploy does; seconds it took."""
        begun = time.monotonic()
        self.process.terminate()
        self.process.wait(timeout)
        return time.monotonic() - begun

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    @property
    def pid(self) -> int:
        """The process that runs the jobs: the child of Dramatiq's main process."""
        main = self.process.pid
        for child in Path(f"/proc/{main}/task/{main}/children").read_text().split():
            if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        raise AssertionError("no worker process")

    def _launch(self) -> subprocess.Popen[bytes]:
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


class House:
    """The database, the broker and the workers of one test."""

    def __init__(self, database: Database, folder: Path, environment: dict[str, str]) -> None:
        self.database, self.folder, self.environment = database, folder, environment
        self.workers: list[Worker] = []
        self._web: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "workers.log"

    def worker(self, *, threads: int = 4, queues: Sequence[str] = (), shutdown_s: float = 30, **settings: object) -> Worker:
        """Start a worker and return when it serves."""
        dramatiq = str(Path(sys.executable).with_name("dramatiq"))
        command = [sys.executable, dramatiq, "src.actors", "-p", "1", "-t", str(threads), "--skip-logging"]
        command += ["--worker-shutdown-timeout", str(int(shutdown_s * 1000))]
        command += ["-Q", *queues] if queues else []
        more = {f"CALLBOARD_{name.upper()}": str(value) for name, value in settings.items()}
        before = self.alive()
        worker = Worker(command, {**os.environ, **self.environment, **more}, self.log)
        self.workers.append(worker)
        eventually(lambda: self.alive() > before, deadline_s=60, what=f"a worker serves; see {self.log}")
        return worker

    def web(self) -> str:
        """Start a web front end and return its address when it answers."""
        command, environment, url = web_command()
        with open(self.folder / "web.log", "ab") as log:
            self._web = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env={**os.environ, **self.environment, **environment}, stdout=log, stderr=log
            )
        eventually(lambda: _answers(f"{url}/healthz"), deadline_s=60, interval_s=0.1, what=f"{url} answers")
        return url

    def close(self) -> None:
        """End everything that was started here."""
        for worker in self.workers:
            worker.kill()
        if self._web is not None:
            self._web.terminate()
            self._web.wait(20)

    def alive(self) -> int:
        with self.database.read() as session:
            return int(session.execute(text("SELECT count(*) FROM workers WHERE stopped_at IS NULL AND lost_at IS NULL")).scalar_one())

    def send(self, *messages: Message[Any]) -> list[str]:
        with self.database.write() as session:
            return [receipt.id for receipt in submit_many(session, [Submission(message) for message in messages])]

    def job(self, id: str) -> Job:
        with self.database.read() as session:
            job = find(session, id)
            assert job is not None
            session.expunge_all()
            return job

    def ended(self, id: str, *, within_s: float = 30) -> Job:
        """The job once it has reached a final state."""

        def final() -> Job | None:
            job = self.job(id)
            return job if job.state.is_final else None

        found = eventually(final, deadline_s=within_s, interval_s=0.1, what=f"{id} ends; see {self.log}")
        assert found is not None
        return found

    def log_of(self, id: str) -> list[tuple[int, int, str, str]]:
        """(attempt, number, level, text) of what the job has said."""
        job = self.job(id)
        with self.database.read() as session:
            return [(line.attempt, line.number, line.level, line.text) for line in attempt_logs.read(session, job.seq)]

    def lines(self, name: str) -> list[str]:
        """What actors have noted under this name."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


@contextmanager
def lay_house(store: str) -> Iterator[House]:
    """A house outside of pytest: services of its own, settings as delivered."""
    with lay_ground(store) as ground:
        own = {"CALLBOARD_ACTORS": "tests.actors.isolation", "CALLBOARD_LOG_FORMAT": "json", FOLDER: str(ground.folder)}
        with patch.dict(os.environ, own):
            house = House(ground.database, ground.folder, {**ground.environment, **own})
            try:
                yield house
            finally:
                house.close()


def is_running(pid: int) -> bool:
    """Does this process do anything? A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
