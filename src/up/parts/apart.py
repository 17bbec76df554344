"""Calls apart: a function in a fork of this process. Its imports and allocations go when it ends."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from ... import COMMAND
from ...broker.isolate import process_tree
from ...broker.isolate.forked import Forked
from ..errors import UpError
from ..locations import PACKAGE


class Apart:
    """One call, whose result must be a JSON value. Outside Linux it runs in this process, when `result` is called. Raises OSError."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function: Callable[[], Any] | None = function
        if sys.platform != "linux":
            return
        self._function = None
        sys.stdout.flush()
        sys.stderr.flush()
        self._answer, answers = os.pipe()
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            os.close(self._answer)
            os.close(answers)
            raise
        if pid == 0:
            _call(function, answers, parent)
        os.close(answers)
        self._process = Forked(pid)

    @property
    def pids(self) -> set[int]:
        """The process id of the call, if it has a process."""
        return {self._process.pid} if self._function is None else set()

    def is_over(self, within_s: float) -> bool:
        """Wait for the result for so many seconds at most; True if it exists."""
        return self._function is not None or bool(select.select([self._answer], [], [], within_s)[0])

    def result(self) -> Any:
        """Return what the function has returned. Raises UpError as it did, or if its process has died."""
        if self._function is not None:
            return self._function()
        with open(self._answer, "rb") as pipe:
            said = pipe.read()
        self._process.wait()
        if not said:
            raise UpError(f"A process of {COMMAND} up has died; see its output above.")
        result, problem = json.loads(said)
        if problem is not None:
            raise UpError(problem)
        return result

    def abandon(self) -> None:
        """End it without its result."""
        if self._function is None:
            os.close(self._answer)
            self._process.kill()
            self._process.wait()


class Answer(Apart):
    """A call in a process that another one has forked, which writes its answer to this pipe."""

    def __init__(self, process: Forked, answer: int) -> None:
        self._function, self._process, self._answer = None, process, answer


def named(function: str, arguments: Sequence[Any]) -> Any:
    """Call a function by its name, `up.MODULE:FUNCTION`: what it imports stays in the process of the call."""
    module, _, name = function.partition(":")
    return getattr(import_module(f"{PACKAGE}.{module}"), name)(*arguments)


def answer(function: Callable[[], Any], answers: int) -> None:
    """Write the result of the function to a pipe, or the reason why it refuses."""
    outcome: tuple[Any, str | None]
    try:
        outcome = function(), None
    except UpError as error:
        outcome = None, str(error)
    with open(answers, "wb") as pipe:
        pipe.write(json.dumps(outcome).encode())


def _call(function: Callable[[], Any], answers: int, parent: int) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        process_tree.die_with_parent(parent)
        answer(function, answers)
        code = 0
    except BaseException:  # noqa: BLE001 - printed, as the interpreter would
        sys.excepthook(*sys.exc_info())
    os._exit(code)
