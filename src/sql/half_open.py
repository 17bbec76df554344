"""PostgreSQL connections that detect a half-open TCP connection.

A host that loses its power, or a proxy that stops in the middle, says nothing: a process that waits for an answer would
wait for ever. After some seconds of silence the server is asked, by another connection, whether it works on the
statement. A statement may therefore take as long as it needs, and a dead connection is given up within seconds.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

#: seconds without an answer after which the server is asked what it does
SILENCE_S = 5.0
#: seconds that connecting, and each statement of that question, may take
ASK_S = 5
#: seconds for which an answer may be on its way when the server says that it does nothing
GRACE_S = 1.0

Answer = TypeVar("Answer")

_asking = threading.Lock()
_unreachable: dict[tuple[str, int], float] = {}  # (host, port) -> when it was found so


def _renew_lock() -> None:
    """In a forked child: a thread that held the lock is not there to release it."""
    global _asking
    _asking = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


class WatchfulConnection(psycopg.Connection[Any]):
    """A connection whose waiting ends with an OperationalError when the server does not work on its statement."""

    #: the server's process, where a pooler in between numbers connections by itself
    server_pid: int | None = None

    def wait(self, gen: Generator[Any, Any, Answer], interval: float = 0.1, timeout: float | None = None) -> Answer:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        while True:
            try:
                return super().wait(gen, interval, SILENCE_S)
            except errors._WaitTimeout:
                if self.pgconn.transaction_status != TransactionStatus.ACTIVE or self._is_served():
                    continue
            try:
                return super().wait(gen, interval, GRACE_S)
            except errors._WaitTimeout:
                self.pgconn.finish()
                raise psycopg.OperationalError("the connection was given up: the server does not answer it") from None

    def _is_served(self) -> bool:
        """True if the server says that it works on this connection's statement."""
        address = (self.info.host, self.info.port)
        with _asking:  # one after the other: a server that is away would be asked by every thread
            if time.monotonic() - _unreachable.get(address, -ASK_S) < ASK_S:
                return False
            try:
                state = _state_of(self._conninfo(), self.server_pid or self.pgconn.backend_pid)
            except (psycopg.Error, errors._WaitTimeout, OSError):
                _unreachable[address] = time.monotonic()
                return False
        return state is None or state.startswith(("active", "fastpath", "disabled"))

    def _conninfo(self) -> str:
        options: dict[str, Any] = {each.keyword.decode(): each.val.decode() for each in self.pgconn.info if each.val}
        for name in ("hostaddr", "target_session_attrs", "load_balance_hosts"):
            options.pop(name, None)
        address = {"host": self.info.host, "port": self.info.port, "hostaddr": self.info.hostaddr}
        return make_conninfo("", **{**options, **{name: value for name, value in address.items() if value}, "connect_timeout": ASK_S})


class _Asking(psycopg.Connection[Any]):
    def wait(self, gen: Generator[Any, Any, Answer], interval: float = 0.1, timeout: float | None = None) -> Answer:
        return super().wait(gen, interval, ASK_S)


def _state_of(conninfo: str, pid: int) -> str | None:
    """What the server says that this process of it does; None: it may not be seen. A process that is gone is `gone`."""
    with _Asking.connect(conninfo, autocommit=True) as asking:
        row = asking.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
    return "gone" if row is None else row[0]
