"""Preloaded parent: a process that has imported the application once, and forks the parts of `./run up`.

It is a fork of the supervisor, which never imports the actors: so a reload is a new preloaded parent with the new code.
A part starts in a tenth of the time of a new interpreter and shares most of its memory. The parent does nothing else,
because each object that it touched would no longer be shared.

Each part is forked twice: the process between ends at once, and the supervisor adopts the part. So it stays the parent
of its parts, whichever preloaded parent they come from. Linux only.
"""

from __future__ import annotations

import errno
import gc
import importlib
import json
import os
import random
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from ...broker.isolate import process_tree
from ...broker.isolate.forked import Forked
from ...broker.process import memory
from ..errors import UpError
from ..locations import PACKAGE
from . import apart, warm
from .actor_loading import load_actors

#: runs a command line of ours, without the program's name
Run = Callable[[Sequence[str]], None]

#: modules of each role beyond the actors, imported once for all parts
MODULES = {
    "web": ("gunicorn.app.wsgiapp", "gunicorn.util", f"{PACKAGE}.web.application", f"{PACKAGE}.up.web_server"),
    "scheduler": (f"{PACKAGE}.scheduling.clock",),
    "mailbox": (f"{PACKAGE}.mail.catcher",),
    "worker": (f"{PACKAGE}.broker.process.single",),
}
#: bytes of a request or an answer at most
PACKET = 65_536
#: environment variable of the pipe for the result of a call
ANSWER_FD = "CALLBOARD_ANSWER_FD"
#: seconds in which a part must have been forked; a machine may be very busy
FORK_WITHIN_S = 60.0
#: seconds between checks that the supervisor has adopted a part
ADOPT_S = 0.0005


#: those of this process; to look for them again would copy the shared memory
_generators: list[random.Random] = []


class Preloaded:
    """The supervisor's side of one preloaded parent, which starts to import at once. Raises OSError if the system has no room.

    `roles`: those of the parts that it will fork.
    """

    def __init__(self, run: Run, roles: Collection[str]) -> None:
        process_tree.adopt_orphans()
        sys.stdout.flush()
        sys.stderr.flush()
        if not _generators:
            gc.unfreeze()  # imports have excluded objects already: list theirs, too
        _freeze()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        supervisor = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            self._control.close()
            theirs.close()
            raise
        if pid == 0:
            _live(theirs, supervisor, run, roles)
        theirs.close()
        self._process = Forked(pid)
        self._is_warm = False
        self._problem: str | None = None

    def outcome(self) -> str | None:
        """Return why the application cannot be imported, "" once it is, and None until then."""
        if self._problem is None and _is_readable(self._control.fileno(), 0):
            packet = self._control.recv(PACKET)
            answer: dict[str, Any] = {"problem": "The process that imports the application has died.", "is_warm": False}
            if packet:
                answer = json.loads(packet)
            self._problem, self._is_warm = answer["problem"], answer["is_warm"]
        return self._problem

    def wait(self, seconds: float) -> bool:
        """Wait until it has imported the application; False if it has not, or cannot be imported."""
        return self._problem == "" or (_is_readable(self._control.fileno(), seconds) and self.outcome() == "")

    @property
    def can_fork(self) -> bool:
        """True if parts can be forked: it lives, and the actors have opened no files and started no threads."""
        return self.outcome() == "" and self._is_warm and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_dead(self) -> bool:
        return self._process.poll() is not None

    def fork(self, role: str, name: str, environment: Mapping[str, str], *, log: int, listeners: Mapping[str, int]) -> Forked:
        """Fork a process that runs `./run ROLE` in a session of its own. Raises OSError.

        `name`: of the part, for `ps`. `log`: descriptor of its output. `listeners`: descriptors that it inherits, by the
        environment variable that names them.
        """
        return self._ask(
            {"role": role, "name": name, "environment": dict(environment), "listeners": list(listeners)}, log, *listeners.values()
        )

    def call(self, function: str, arguments: Sequence[Any], environment: Mapping[str, str]) -> apart.Apart:
        """Call a function by its name, `MODULE:FUNCTION`, in a fork of its own. Raises OSError."""
        answer, answers = os.pipe()
        request = {"call": [function, arguments], "name": "call", "environment": dict(environment), "listeners": [ANSWER_FD]}
        try:
            return apart.Answer(self._ask(request, sys.__stderr__.fileno() if sys.__stderr__ else 2, answers), answer)
        except OSError:
            os.close(answer)
            raise
        finally:
            os.close(answers)

    def _ask(self, request: Mapping[str, Any], *descriptors: int) -> Forked:
        """Have a process forked that inherits these descriptors, the first as its output."""
        answer, answers = os.pipe()
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], [answers, *descriptors])
            os.close(answers)
            answers = -1
            said = os.read(answer, 64).decode() if _is_readable(answer, FORK_WITHIN_S) else ""
        finally:
            os.close(answer)
            if answers >= 0:
                os.close(answers)
        if not said.isdigit():
            code = int(said.removeprefix("-") or errno.EAGAIN)
            raise OSError(code, os.strerror(code))
        return Forked(int(said))

    def close(self) -> None:
        """End it; its parts go on."""
        self._control.close()
        self._process.kill()
        self._process.wait()


def _freeze() -> None:
    """Exclude all objects from garbage collections, which would write to them, and so copy the shared memory. Lists their random generators."""
    gc.collect()
    _generators.extend(one for one in gc.get_objects() if issubclass(type(one), random.Random))
    gc.freeze()


def _is_readable(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


# Everything below runs in the forked process.


def _live(control: socket.socket, supervisor: int, run: Run, roles: Collection[str]) -> NoReturn:
    try:
        warm.rename("callboard preloaded")
        warm.leave_parent([control.fileno()])
        process_tree.die_with_parent(supervisor, signal.SIGKILL)
        memory.limit_heaps()
        gc.disable()  # so that new objects stay apart from those of the supervisor until `_freeze`
        is_warm, problem = _load(roles)
        control.send(json.dumps({"problem": problem[: PACKET // 2], "is_warm": is_warm}).encode())
        if is_warm:
            _serve(control, supervisor, run)
    except BaseException:  # noqa: BLE001 - the supervisor, which sees it end, starts its parts cold
        sys.excepthook(*sys.exc_info())
    os._exit(0)


def _load(roles: Collection[str]) -> tuple[bool, str]:
    """Import what the parts run; return whether they can be forked, and why it cannot be imported.

    An actor module may open files, connections and threads when it is imported: forks would share them.
    """
    from sqlalchemy.orm import configure_mappers  # imported late: the supervisor, which this process is a fork of, does without

    before = _open_files()
    try:
        load_actors()
    except UpError as error:
        return False, str(error)
    for name in (module for role in roles for module in MODULES[role]):
        importlib.import_module(name)
    configure_mappers()  # else at its first query each part would, for 12 MB
    return not (_open_files() - before) and threading.active_count() == 1, ""


def _open_files() -> set[str]:
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # that of the listing
            found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return {each for each in found if not each.startswith("/proc/")}


def _serve(control: socket.socket, supervisor: int, run: Run) -> None:
    """Fork a part for each request, until the supervisor closes its end."""
    _freeze()
    memory.give_back()
    while True:
        packet, descriptors, _, _ = socket.recv_fds(control, PACKET, 16)
        if not packet:
            return
        answers, log, *listeners = descriptors
        try:
            _fork(json.loads(packet), answers, log, listeners, supervisor, run)
        except OSError as error:
            os.write(answers, f"-{error.errno}".encode())
        for descriptor in descriptors:
            os.close(descriptor)


def _fork(request: Mapping[str, Any], answers: int, log: int, listeners: Sequence[int], supervisor: int, run: Run) -> None:
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return
    try:
        between = os.getpid()
        try:
            if os.fork():
                os._exit(0)
        except OSError as error:
            os.write(answers, f"-{error.errno}".encode())
            os._exit(0)
        while os.getppid() == between:
            time.sleep(ADOPT_S)
        os.write(answers, str(os.getpid()).encode())  # fails if the supervisor has given up waiting: then it starts another part
        os.close(answers)
        named = dict(zip(request["listeners"], map(str, listeners), strict=True))
        for one in _generators:
            one.seed()  # or every part would draw the same random numbers
    except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as a preloaded parent
        os._exit(1)
    work = partial(_answer, *request["call"]) if "call" in request else partial(run, [request["role"]])
    warm.become_part(work, request["name"], supervisor, {**request["environment"], **named}, log=log, keep=listeners)


def _answer(function: str, arguments: Sequence[Any]) -> None:
    apart.answer(partial(apart.named, function, arguments), int(os.environ[ANSWER_FD]))
