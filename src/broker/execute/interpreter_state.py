"""Switches of the interpreter that a job may change for all others in its process: put back after each attempt."""

from __future__ import annotations

import decimal
import gc
import socket
import sys
import warnings
from typing import Any, NamedTuple


class InterpreterState(NamedTuple):
    """The switches as they were before the first job."""

    warning_filters: list[Any]
    show_warning: Any
    recursion_limit: int
    switch_interval: float
    socket_timeout: float | None
    collects: bool

    @classmethod
    def present(cls) -> InterpreterState:
        """Return the switches as they are."""
        return cls(
            list(warnings.filters),
            warnings.showwarning,
            sys.getrecursionlimit(),
            sys.getswitchinterval(),
            socket.getdefaulttimeout(),
            gc.isenabled(),
        )

    def put_back(self) -> None:
        """Set each switch that has changed: warnings that raise and sockets without patience would fail Callboard's own threads, too."""
        if list(warnings.filters) != self.warning_filters:
            warnings.resetwarnings()  # also empties the cache of what has been shown
            warnings.filters[:] = self.warning_filters  # type: ignore[index]
        if warnings.showwarning is not self.show_warning:
            warnings.showwarning = self.show_warning
        if sys.getrecursionlimit() != self.recursion_limit:
            sys.setrecursionlimit(self.recursion_limit)
        if sys.getswitchinterval() != self.switch_interval:
            sys.setswitchinterval(self.switch_interval)
        if socket.getdefaulttimeout() != self.socket_timeout:
            socket.setdefaulttimeout(self.socket_timeout)
        if self.collects and not gc.isenabled():
            gc.enable()


def own_arithmetic() -> None:
    """Give this context a decimal context of its own: a copied context shares the object, and with it a changed precision."""
    decimal.setcontext(decimal.getcontext().copy())
