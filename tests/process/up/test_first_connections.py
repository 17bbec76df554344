"""A web front end that is still starting refuses connections, so that a balancer takes another host; its port is its own."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from src.settings import Settings
from src.up.data import ports
from src.up.data.data_folder import Folder
from src.up.parts import launch
from tests.harness import ROOT
from tests.harness.waiting import eventually


@pytest.mark.parametrize("how", ["./run up --port N", pytest.param("./run up --port 0", marks=pytest.mark.slow), "./run web"])
def test_connections_are_refused_until_they_can_be_answered(tmp_path: Path, how: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    port = ports.anywhere(["web"])["web"]
    _leave_a_connection_waiting(port)
    environment = {**os.environ, "CALLBOARD_DATA_DIR": str(tmp_path), "CALLBOARD_PORT": str(port), "LATE_APP_PIPE": str(pipe)}
    taken = []
    if how != "./run web":
        folder = Folder(tmp_path)
        folder.prepare()
        taken.append(launch.listen(Settings(port=0 if how.endswith(" 0") else port), folder, exact=True))
        port = taken[0].getsockname()[1]
        _is_refused(port)
        environment[launch.WEB_FD] = str(taken[0].fileno())
    command = [sys.executable, "-m", "gunicorn", "-c", "python:src.up.gunicorn_conf", "--workers", "1", "tests.harness.late_app:make()"]
    web = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[each.fileno() for each in taken], stderr=subprocess.DEVNULL)
    try:
        with open(pipe, "wb"):  # which waits until the worker has begun to import the application
            _is_refused(port)
        eventually(lambda: _answer(port) == b"ready", deadline_s=30, what="the front end answers")
    finally:
        web.terminate()
        web.wait(30)
        for each in taken:
            each.close()


def _leave_a_connection_waiting(port: int) -> None:
    """Serve and end one connection here, as an earlier run has: the system keeps it in TIME_WAIT for a minute."""
    with socket.create_server(("127.0.0.1", port)) as earlier, socket.create_connection(("127.0.0.1", port)) as client:
        accepted, _ = earlier.accept()
        accepted.close()
        assert client.recv(1) == b""


def _is_refused(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError) as found:  # noqa: PT011  (which one it is, is asked next)
            other.bind(("127.0.0.1", port))
    assert found.value.errno == errno.EADDRINUSE


def _answer(port: int) -> bytes:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return bytes(answer.read())
    except OSError:
        return b""
