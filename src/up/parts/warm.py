"""Warm start: a part of `./run up` as a fork of the supervisor, which has imported the application.

A fork starts in a tenth of the time of a new interpreter, and shares most of its memory with the other parts. Linux
only, and only while no other thread of the supervisor holds a lock; otherwise the part is started cold.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import os
import random
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ...broker.isolate import process_tree
from ...settings import get_settings
from ...sql.database import get_database
from ..locations import PACKAGE, ROOT

#: seconds between checks of a child's exit
POLL_S = 0.01
#: signals that a new process handles by default, unless its parent ignores them
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)

#: modules of the parts beyond the actors, imported once for all of them
MODULES = ("dramatiq.cli", "gunicorn.app.wsgiapp", "gunicorn.util", f"{PACKAGE}.web.application", f"{PACKAGE}.up.web_server", f"{PACKAGE}.scheduling.clock", f"{PACKAGE}.mail.catcher")  # fmt: skip

_is_forked = False


class Forked(subprocess.Popen[bytes]):
    """A forked part, with the interface of subprocess.Popen."""

    def __init__(self, pid: int) -> None:
        """Take over a child of this process."""
        self.pid, self.returncode, self.args = pid, None, f"fork {pid}"
        self.stdin = self.stdout = self.stderr = None
        self._child_created = True
        self._waitpid_lock = threading.Lock()
        self._communication_started = False
        self._input = None
        self._sigint_wait_secs = 0.25


def preload() -> None:
    """Import what the parts run, so that they share it."""
    for name in MODULES:
        importlib.import_module(name)


def open_files() -> set[str]:
    """Return the open files and sockets of this process, without those of its database.

    An actor module may open some when it is imported. Forks would share a connection, so such parts start cold.
    """
    get_database().engine.dispose()
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # that of the listing
            found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return {each for each in found if not each.startswith("/proc/")}


def fork(
    run: Callable[[Sequence[str]], None], role: str, name: str, environment: Mapping[str, str], *, log: int, keep: Sequence[int]
) -> Forked:
    """Fork this process, and run `./run ROLE` in the child, in a session of its own. Raises OSError if the system has no room.

    `name`: of the part, for `ps`. `log`: descriptor of its output. `keep`: other descriptors that it inherits.
    """
    parent = os.getpid()
    get_database().engine.dispose()  # the child must neither use nor close connections of this process
    sys.stdout.flush()
    sys.stderr.flush()
    generators = [one for one in gc.get_objects() if isinstance(one, random.Random)]
    pid = os.fork()
    if pid == 0:
        _become_part(lambda: run([role]), name, parent, environment, log, keep, generators)
    return Forked(pid)


def become(command: Sequence[str]) -> NoReturn:
    """Replace the program of this process: by exec, or in a forked part by running it here. `command`: PYTHON, then -m MODULE or a script."""
    sys.stdout.flush()
    if not _is_forked:
        os.execv(command[0], list(command))
    if command[1] == "-m":
        sys.argv = list(command[2:])
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(command[1:])
        runpy.run_path(command[1], run_name="__main__")
    sys.exit(0)


def _become_part(
    run: Callable[[], None],
    name: str,
    parent: int,
    environment: Mapping[str, str],
    log: int,
    keep: Sequence[int],
    generators: Sequence[random.Random],
) -> NoReturn:
    code = 1
    try:
        _rename(f"callboard {name}")
        _settle(parent, environment, log, keep)
        for one in generators:
            one.seed()  # or every part would draw the same random numbers
        run()
        code = 0
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException:  # noqa: BLE001 - printed, as the interpreter would
        sys.excepthook(*sys.exc_info())
    _finish(code)


def _settle(parent: int, environment: Mapping[str, str], log: int, keep: Sequence[int]) -> None:
    """Make the fork a process like a new one: session, signals, files, environment."""
    global _is_forked
    _is_forked = True
    gc.freeze()  # a collection would write to every object, and so copy the shared memory
    os.setsid()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor not in keep:
            with suppress(OSError):  # that of the listing
                os.close(descriptor)
    for descriptor in keep:
        os.set_inheritable(descriptor, True)
    os.chdir(ROOT)
    os.environ.update(environment)
    get_settings.cache_clear()
    process_tree.die_with_parent(parent, signal.SIGTERM)


def _rename(title: str) -> None:
    """Write the title over the command line of this process, which is that of the supervisor."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    if len(title) < end - start:  # the kernel may keep the addresses secret: then both are 0
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, title.encode(), len(title))


def _exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


def _finish(code: int) -> NoReturn:
    """End as the interpreter does, without unwinding the supervisor's frames, whose files are closed here."""
    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # waits for non-daemon threads
    with suppress(BaseException):
        atexit._run_exitfuncs()
    with suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code & 0xFF)
