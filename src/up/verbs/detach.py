"""`./run up --detach`: fork the supervisor into its own session; wait until it is ready or has failed."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ..data.data_folder import Folder, State
from ..data.log_files import LogFile
from ..errors import UpError

#: longest pause in seconds before a failed fork is retried
LONGEST_PAUSE = 3.2


def start(folder: Folder, supervise: Callable[[], None], *, show: Callable[[str], None]) -> State:
    """Fork the supervisor and return the state when everything is ready; raise UpError if it ends before.

    A fork, not an exec: all modules are imported already, and the folder's lock passes on without a gap.
    """
    path = folder.logs / "up.log"
    path.write_text("")
    log = LogFile(path)
    supervisor = _fork()
    if supervisor == 0:
        _go_on_alone(path, supervise)
    folder.release()
    try:
        while True:
            ended, status = os.waitpid(supervisor, os.WNOHANG)
            for line in log.new_lines():
                show(line)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                raise UpError(f"Nothing was started (exit code {code}); see the reason above and the full log in {path}.")
            state = folder.read_state()
            if state.phase == "ready" and state.supervisor and state.supervisor.pid == supervisor:
                return state
            time.sleep(0.1)  # poll interval; ends with the supervisor
    except KeyboardInterrupt:
        os.kill(supervisor, signal.SIGTERM)
        os.waitpid(supervisor, 0)
        raise


def _fork() -> int:
    """Call os.fork(), with retries while the system is short of processes or memory."""
    pause = 0.1
    while True:
        try:
            return os.fork()
        except OSError as error:
            if pause > LONGEST_PAUSE:
                raise UpError(f"The system has no room for another process: {error.strerror}.\nCheck:  ulimit -u ; free -m") from None
            time.sleep(pause)
            pause *= 2


def _go_on_alone(log: Path, supervise: Callable[[], None]) -> NoReturn:
    os.setsid()
    with open(os.devnull, "rb") as nothing, open(log, "ab") as out:
        os.dup2(nothing.fileno(), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    code = 1
    try:
        supervise()
        code = 0
    except UpError as error:
        print(f"✘ {error}")
    except BaseException:  # noqa: BLE001  (whatever it is: there is no caller any more who could tell it)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
