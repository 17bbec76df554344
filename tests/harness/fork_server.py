"""Fork server of test commands: forks a process that has imported the libraries and rooms: 0.1 s of CPU instead of 1.3.

A forked command gets its own environment, session, log and arguments, and imports `src.actors` itself, like a cold one.
The server forks on request, keeps exit statuses, and kills whatever it started when the test process is gone. One cold
start of each command remains: tests/process/up/test_up.py.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.abc
import json
import multiprocessing.connection
import os
import pkgutil
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from sqlalchemy.orm import configure_mappers

from tests.harness import ROOT

#: not imported beforehand: what reads the settings at its import, and what only runs as a program
BY_EACH = (
    "src.actors",
    "src.celery",
    "src.django",
    "src.migrations.env",
    "src.migrations.versions",
    "src.up.gunicorn_conf",
    "src.__main__",
)
LIBRARIES = (
    "alembic.command",
    "apscheduler.schedulers.blocking",
    "apscheduler.schedulers.background",
    "css_inline",
    "dramatiq.cli",
    "faker",
    "flask_wtf",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "periodiq",
    "prometheus_client",
    "psycopg",
    "resvg_py",
    "rich.table",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
)
#: poll interval in seconds of Dramatiq's command, which waits for its end
POLL_S = 0.05
#: the largest request: a command line and its environment
PACKET = 1 << 20


class Forked:
    """A process started by the fork server; used like subprocess.Popen."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        if self.returncode is None:
            status = self._server.ask({"status": self.pid})
            if status is not None:
                self.returncode = os.waitstatus_to_exitcode(int(status))
                os.close(self._handle)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code; raises subprocess.TimeoutExpired after `timeout` seconds."""
        if self.poll() is None:
            poll = select.poll()
            poll.register(self._handle, select.POLLIN)
            if not poll.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """Client of the server: one server per test process, started at its first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PACKET)
        self._socket = ours
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLBOARD_")}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.harness.fork_server", str(theirs.fileno())],
                cwd=ROOT,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def start(self, command: Sequence[str], environment: Mapping[str, str], *, out: Path | str, err: Path | str | None = None) -> Forked:
        """Fork a command: ("dramatiq", …), ("gunicorn", …), ("-m", module, …) or ("-c", program).

        `out` and `err` (None: the same) name files to append to. Raises RuntimeError if the server is gone.
        """
        for path in (out, err or out):
            open(path, "ab").close()  # so that it exists on return
        request = {"command": list(command), "environment": dict(environment), "out": str(out), "err": str(err or out)}
        return Forked(self, int(self.ask(request)))

    def run(self, command: Sequence[str], environment: Mapping[str, str], *, within_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Fork a command, wait for its end and return its output."""
        with tempfile.TemporaryDirectory(prefix="callboard-run-") as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            process = self.start(command, environment, out=out, err=err)
            try:
                code = process.wait(within_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
            return subprocess.CompletedProcess(list(command), code, out.read_text(errors="replace"), err.read_text(errors="replace"))

    def ask(self, request: dict[str, Any]) -> Any:
        """Send one request and return its answer."""
        with self._lock:
            self._socket.send(json.dumps(request).encode())
            answer = self._socket.recv(PACKET)
        if not answer:
            raise RuntimeError("the fork server is gone")
        return json.loads(answer)

    def close(self) -> None:
        """End the server and everything it started."""
        self._socket.close()
        self._process.wait(30)


_server: ForkServer | None = None
_starting = threading.Lock()


def server() -> ForkServer:
    """Return this process's fork server."""
    global _server
    with _starting:
        if _server is None:
            _server = ForkServer()
            atexit.register(close)
        return _server


def close() -> None:
    """End this process's fork server, if it has one."""
    global _server
    with _starting:
        if _server is not None:
            _server.close()
            _server = None


def cpu_s() -> float:
    """Return the CPU seconds of this process's fork server and of its finished commands; 0 without one."""
    if _server is None:
        return 0
    # After the command's name in brackets: utime, stime, cutime and cstime are the 14th to 17th fields.
    fields = Path(f"/proc/{_server.pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the server: import everything, then fork on request until the test process is gone."""
    requests: Any = socket.socket(fileno=int(sys.argv[1]))
    requests.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload()
    children: dict[int, int | None] = {}
    try:
        while packet := requests.recv(PACKET):
            request = json.loads(packet)
            if "status" in request:
                answer: int | None = _status(children, request["status"])
            else:
                answer = os.fork()
                if answer == 0:
                    requests.close()
                    become(request)
                children[answer] = None
            requests.send(json.dumps(answer).encode())
    except ConnectionError:
        pass
    finally:
        for pid, status in children.items():
            if status is None:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)


def _status(children: dict[int, int | None], pid: int) -> int | None:
    if children.get(pid) is None:
        found, status = os.waitpid(pid, os.WNOHANG)
        children[pid] = status if found else None
    return children[pid]


def preload() -> None:
    """Import what every command needs, except `src.actors` and what imports it."""
    gc.disable()
    for name in LIBRARIES:
        importlib.import_module(name)
    sys.meta_path.insert(0, Refused())
    _import_below("src")
    sys.meta_path.pop(0)
    configure_mappers()
    assert not any(name.startswith(BY_EACH) for name in sys.modules)
    assert threading.active_count() == 1, threading.enumerate()
    gc.enable()
    gc.freeze()


class NeedsActors(ImportError):
    """A module imports one of BY_EACH."""


class Refused(importlib.abc.MetaPathFinder):
    """Refuses the modules of BY_EACH."""

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: Any = None) -> None:
        if name.startswith(BY_EACH):
            raise NeedsActors(name)


def _import_below(package: str) -> None:
    """Import a package and the modules in it, at any depth, without those that need BY_EACH."""
    with suppress(NeedsActors):
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            if found.ispkg:
                _import_below(found.name)
            else:
                with suppress(NeedsActors):
                    importlib.import_module(found.name)


def become(request: dict[str, Any]) -> NoReturn:
    """Become the command: its session, files, environment and arguments; exits like the interpreter."""
    code = 1
    try:
        os.setsid()
        for path, number in ((os.devnull, 0), (request["out"], 1), (request["err"], 2)):
            opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(opened, number)
            os.close(opened)
        # Newly opened, as in a fresh interpreter: a terminal, a pipe or a file.
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        os.environ.clear()
        os.environ.update(request["environment"])
        time.tzset()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for one in gc.get_objects():
            if type(one) is random.Random:
                one.seed()  # else each command would draw the same random numbers
        from src.settings import get_settings

        get_settings.cache_clear()
        run(request["command"])
        code = 0
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException:  # noqa: BLE001 - printed, as the interpreter would
        sys.excepthook(*sys.exc_info())
    _finish(code)


def _exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


def _finish(code: int) -> NoReturn:
    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # waits for non-daemon threads, as the interpreter does
    with suppress(BaseException):
        atexit._run_exitfuncs()
    with suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code & 0xFF)


def run(command: list[str]) -> None:
    """Run a command in this process as its script or `python` would."""
    kind, *rest = command
    programs = Path(sys.executable).parent
    if kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    elif kind == "-m":
        sys.argv = [rest[0], *rest[1:]]
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "dramatiq":
        from dramatiq import cli

        # By default it polls once a second whether it should stop: each test that ends a worker would wait for that.
        def wait(pipes: list[Any], timeout: float) -> list[Any]:
            return multiprocessing.connection.wait(pipes, min(timeout, POLL_S))

        replaced: Any = cli
        replaced.time = SimpleNamespace(sleep=lambda _seconds: time.sleep(POLL_S))
        replaced.multiprocessing = SimpleNamespace(**{**vars(multiprocessing), "connection": SimpleNamespace(wait=wait)})
        sys.argv = [str(programs / kind), *rest]
        sys.exit(cli.main())
    elif kind == "gunicorn":
        from gunicorn.app.wsgiapp import run as gunicorn  # type: ignore[import-untyped,unused-ignore]

        from src.up.parts import warm

        warm._is_forked = True  # as a part of `./run up`: its processes share one application
        sys.argv = [str(programs / kind), *rest]
        gunicorn(prog="gunicorn")
    elif kind == "periodiq":
        from periodiq import entrypoint

        sys.argv = [str(programs / kind), *rest]
        sys.exit(entrypoint())
    else:
        raise ValueError(f"no command {kind!r}")


if __name__ == "__main__":
    main()
