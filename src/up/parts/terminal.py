"""Terminal output that may fail: after a closed window or broken pipe, output is dropped and the process continues."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec

Parameters = ParamSpec("Parameters")


def lasting(write: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Wrap a function: after EPIPE or EIO, redirect stdout and stderr to /dev/null."""

    def attempt(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            write(*args, **kwargs)
        except (OSError, ValueError):  # ValueError: the stream is closed
            _fall_silent()

    return attempt


def _fall_silent() -> None:
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            os.dup2(nothing, descriptor)
        os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()  # the rest of its buffer
