"""Part of `./run up` in a fork: makes it a process like a new one, with a session, signals, files and a name of its own."""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ...broker.isolate import process_tree
from ...settings import get_settings
from ..locations import ROOT

#: signals that a new process handles by default, unless its parent ignores them
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)

_is_forked = False


def is_forked() -> bool:
    """True in a part that was forked."""
    return _is_forked


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


def become_part(
    run: Callable[[], None], name: str, supervisor: int, environment: Mapping[str, str], *, log: int, keep: Sequence[int]
) -> NoReturn:
    """Run a part in this fork, as if it were a new process. `keep`: descriptors that it inherits; `log`: that of its output."""
    global _is_forked
    _is_forked = True
    code = 1
    try:
        rename(f"callboard {name}")
        for target in (1, 2):
            os.dup2(log, target)
        leave_parent(keep)
        process_tree.die_with_parent(supervisor, signal.SIGTERM)
        for descriptor in keep:
            os.set_inheritable(descriptor, True)
        os.environ.update(environment)
        get_settings.cache_clear()
        gc.enable()  # off while the preloaded parent imported
        run()
        code = 0
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException:  # noqa: BLE001 - printed, as the interpreter would
        sys.excepthook(*sys.exc_info())
    _finish(code)


def leave_parent(keep: Sequence[int]) -> None:
    """Take a session and signal handlers of its own, and close all files but the output and `keep`."""
    os.setsid()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor not in keep:
            with suppress(OSError):  # that of the listing
                os.close(descriptor)
    os.chdir(ROOT)


def rename(title: str) -> None:
    """Write the title over the command line of this process, which is that of the supervisor, for `ps`."""
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
