"""A whole running Callboard for the tests that need one: web and worker as they are started in earnest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from src.up import ports
from tests.harness import ROOT
from tests.harness.waiting import eventually


class House:
    """Web, worker and mailbox processes on one database and one virtual host. Use as a context."""

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str,
        broker_url: str,
        management_url: str,
        actors: str = "tests.actors.web",
        processes: int = 1,
        **environment: str,
    ) -> None:
        port, self.mailbox_port = ports.anywhere(["web", "mailbox"]).values()
        self.url = f"http://127.0.0.1:{port}"
        self.broker_url = broker_url
        self._log = folder / "log"
        self._worker_processes = processes
        self._environment = {
            **os.environ,
            "CALLBOARD_DATA_DIR": str(folder),
            "CALLBOARD_DATABASE_URL": database_url,
            "CALLBOARD_BROKER_URL": broker_url,
            "CALLBOARD_MANAGEMENT_URL": management_url,
            "CALLBOARD_ACTORS": actors,
            "CALLBOARD_PORT": str(port),
            "CALLBOARD_SECRET_KEY": "only for tests",
            "CALLBOARD_SMTP_URL": f"smtp://callboard:only-for-tests@127.0.0.1:{self.mailbox_port}",
            "CALLBOARD_MAIL_ADMINS": "admin@localhost",
            **environment,
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._token = ""
        self._browser: urllib.request.OpenerDirector | None = None

    def __enter__(self) -> House:
        program = Path(sys.executable).parent
        self._start("-m", "src", "mailbox")
        self._start(str(program / "dramatiq"), "src.actors", "-p", str(self._worker_processes), "-t", "4")
        self._start(str(program / "gunicorn"), "-c", "src/up/gunicorn_conf.py", "src.web:create_app()")
        try:
            eventually(self._answers, deadline_s=60, interval_s=0.1, what=f"{self.url} is ready; see {self._log}")
        except BaseException:
            self._stop()
            raise
        self.python("from src.web.auth import ensure_admin; ensure_admin()")
        self._token = self.python("from src.web.auth import create_token; print(create_token('tests', 'admin'))")
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._stop()

    def start_scheduler(self) -> None:
        """A scheduler beside the others, until the end."""
        self._start("-m", "src", "scheduler")

    def one_time_link(self) -> str:
        """A link that signs the administrator in."""
        return self.python(f"from src.web.auth import one_time_link; print(one_time_link({self.url!r}))")

    def _stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def api(self, method: str, path: str, document: object = None) -> Any:
        """Call the API as a program with an administrator's token; the decoded answer, also of a refusal."""
        data = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, method=method)
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            return json.load(refusal)

    def page(self, path: str) -> str:
        """A page as the administrator's browser gets it."""
        if self._browser is None:
            self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            self._browser.open(self.one_time_link(), timeout=20).close()
        with self._browser.open(f"{self.url}{path}", timeout=20) as answer:
            return str(answer.read().decode())

    def command(self, *words: str) -> str:
        """What `./run VERB …` prints; it must succeed."""
        program = [sys.executable, "-m", "src", *words]
        done = subprocess.run(program, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, program: str) -> str:
        """What a program of its own prints here; it must succeed."""
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=self._environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def jobs_of(self, actor: str) -> list[dict[str, Any]]:
        """The newest jobs of an actor."""
        listed: list[dict[str, Any]] = self.api("GET", f"/jobs?actor={actor}&limit=200")["jobs"]
        return listed

    def run(self, actor: str, *args: object) -> dict[str, Any]:
        """Submit a job and wait for its end."""
        id = self.api("POST", "/jobs", {"actor": actor, "args": args})["id"]

        def ended() -> dict[str, Any] | None:
            job: dict[str, Any] = self.api("GET", f"/jobs/{id}")
            return job if job["finished_at"] else None

        job = eventually(ended, deadline_s=30, interval_s=0.1, what=f"job {id} of {actor} ends")
        assert job is not None
        return job

    def _start(self, *command: str) -> None:
        with open(self._log, "ab") as log:
            self._processes.append(
                subprocess.Popen([sys.executable, *command], cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT)
            )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
