"""An application of examples/, copied out of the repository, and a Python that has Callboard installed beside its libraries."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from src.up.data import ports
from tests.harness import ROOT
from tests.harness.waiting import eventually

#: where each example mounts the console
PREFIX = "/background"
#: the schema of Callboard's tables in the application's database
SCHEMA = "board"
_LINK = """
from callboard.operations.people.sessions import one_time_link
from callboard.operations.people.users import ensure_admin
ensure_admin()
print(one_time_link({url!r}))
"""


@dataclass(frozen=True)
class Framework:
    """The commands of an example: one that creates its tables, a worker, the web server on `{port}`, and the sign that this serves."""

    folder: str
    tables: tuple[str, ...]
    worker: tuple[str, ...]
    web: tuple[str, ...]
    serves: str
    takes_json: bool = False
    actors: str = "src.shop.jobs"
    driver: str = "psycopg"


#: each starts its worker in another way
FRAMEWORKS = {
    "flask": Framework(
        "flask_app", ("-m", "src.shop.models"), ("-m", "dramatiq", "callboard.actors", "-p", "1", "-t", "2"),
        ("-m", "flask", "--app", "src.shop.web", "run", "--port", "{port}"), "Running on",
    ),
    "fastapi": Framework(
        "fastapi_app", ("-m", "src.shop.models"), ("-m", "callboard", "worker", "--threads", "2"),
        ("-m", "uvicorn", "src.shop.web:app", "--port", "{port}"), "Uvicorn running on", takes_json=True,
        driver="asyncpg",
    ),
    "django": Framework(
        "django_app", ("manage.py", "migrate"), ("-m", "dramatiq", "src.project.worker", "-p", "1", "-t", "2"),
        ("-m", "waitress", "--listen=127.0.0.1:{port}", "--threads=20", "src.project.wsgi:application"), "Serving on",
        actors="callboard.django.actors",
    ),
}  # fmt: skip


def installed(venv: Path, built: Path) -> Path:
    """Make a virtual environment with the built Callboard, and the libraries of this one; nothing of the checkout is on its path."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=60)
    [packages] = (venv / "lib").glob("python*/site-packages")
    (packages / "libraries.pth").write_text("\n".join(entry for entry in sys.path if entry.endswith("-packages")))
    shutil.copytree(built / "callboard", packages / "callboard")
    (venv / "bin" / "dramatiq").write_text("from dramatiq.__main__ import main\nmain()\n")  # as pip installs it, for `callboard worker`
    return venv / "bin" / "python"


def wheel(venv: Path) -> Path:
    """Make a fresh virtual environment with Callboard's wheel and the requirements of the examples, all by pip."""
    source = venv.parent / "source"
    for name in ("src", "rabbitmq"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=120)
    python = venv / "bin" / "python"

    def pip(*arguments: object) -> None:
        done = subprocess.run(
            [python, "-m", "pip", "-q", *map(str, arguments)], cwd=venv.parent, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, done.stdout + done.stderr

    pip("wheel", "--no-deps", "-w", venv.parent, source)
    pip("install", *venv.parent.glob("callboard-*.whl"), *(f"-r{path}" for path in (ROOT / "examples").glob("*/requirements.txt")))
    return python


class Application:
    """An example in a folder of its own, on a database and a virtual host of its own."""

    def __init__(self, framework: str, folder: Path, python: Path, database_url: str, broker_url: str) -> None:
        self.framework = FRAMEWORKS[framework]
        self.place = folder / self.framework.folder
        shutil.copytree(ROOT / "examples" / self.framework.folder, self.place, ignore=shutil.ignore_patterns("__pycache__"))
        self.python = python
        self.port = ports.anywhere(["web"])["web"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = database_url
        self.is_sqlite = database_url.startswith("sqlite")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CALLBOARD_", "PYTHON"))}
        self.environment = kept | {
            "SHOP_DATABASE_URL": database_url.replace("+psycopg", f"+{self.framework.driver}"),
            "CALLBOARD_DATABASE_URL": database_url,
            "CALLBOARD_DATABASE_SCHEMA": "" if self.is_sqlite else SCHEMA,
            "CALLBOARD_BROKER_URL": broker_url,
            "CALLBOARD_ACTORS": self.framework.actors,
            "DJANGO_SETTINGS_MODULE": "src.project.settings",
            "CALLBOARD_SECRET_KEY": "only for tests",
            "CALLBOARD_DATA_DIR": str(folder / "data"),
        }
        self.cookies = CookieJar()
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Create the application's tables, then run a worker and the web server for the block."""
        self.run(*self.framework.tables)
        with ExitStack() as running:
            worker = running.enter_context(self.running("worker", *self.framework.worker))
            arguments = (argument.format(port=self.port) for argument in self.framework.web)
            web = running.enter_context(self.running("web", *arguments))
            eventually(lambda: "worker_serves" in worker.read_text(), deadline_s=120, what=f"a worker serves; see {worker}")
            eventually(lambda: self.framework.serves in web.read_text(), deadline_s=120, what=f"the application serves; see {web}")
            yield

    def run(self, *arguments: str, stdin: str | None = None, **environment: str) -> str:
        """Run Python in the application's folder and return its output."""
        done = subprocess.run(
            [str(self.python), *arguments], cwd=self.place, env=self.environment | environment, input=stdin, capture_output=True, text=True, timeout=300
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    @contextmanager
    def running(self, name: str, *arguments: str) -> Iterator[Path]:
        """Run Python in the background for the block; yields its log."""
        log = self.place.parent / f"{name}.log"
        with open(log, "wb") as out:
            process = subprocess.Popen(
                [str(self.python), *arguments], cwd=self.place, env=self.environment, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            yield log
        finally:
            process.terminate()
            process.wait(60)

    def sign_in(self) -> None:
        """Sign the browser in to the console, as an administrator, if it is not yet."""
        if len(self.cookies):
            return
        link = self.run("-c", _LINK.format(url=f"{self.url}{PREFIX}")).splitlines()[-1]
        assert link.startswith(f"{self.url}{PREFIX}/")
        self.browser.open(link, timeout=60).close()

    def get(self, path: str) -> str:
        with self.browser.open(f"{self.url}{path}", timeout=60) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **fields: object) -> tuple[int, str]:
        """Send a form and return status and body."""
        return self._send(path, urllib.parse.urlencode(fields).encode(), {})

    def order(self, article: str, pieces: int) -> tuple[int, str]:
        """Place an order, as the application takes it."""
        if not self.framework.takes_json:
            return self.post("/orders", article=article, pieces=pieces)
        return self._send("/orders", json.dumps({"article": article, "pieces": pieces}).encode(), {"Content-Type": "application/json"})

    def _send(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        request = urllib.request.Request(f"{self.url}{path}", body, {"Referer": self.url, **headers})
        try:
            with self.browser.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()

    def counts(self) -> list[Any]:
        """Return the numbers of orders and of jobs."""
        jobs = "jobs" if self.is_sqlite else f"{SCHEMA}.jobs"
        engine = create_engine(self.database_url)
        with engine.connect() as connection:
            found = [connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() for table in ("orders", jobs)]
        engine.dispose()
        return found

    def token(self, path: str) -> str:
        """Return the CSRF token of a page's form."""
        found = re.search(r'name="form-csrf_token"[^>]*value="([^"]*)"', self.get(path))
        assert found is not None, path
        return found[1]
