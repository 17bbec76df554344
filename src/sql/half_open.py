"""PostgreSQL connections that detect a half-open TCP connection.

A host that loses power, or a proxy that stalls, sends nothing, and a client waiting for an answer would wait for ever.
After some seconds of silence, ask the server over another connection whether it is executing the statement. So a
statement may take as long as it needs, and a dead connection is dropped within seconds. A server that does not answer
the question condemns all connections that were opened before, so that no caller waits for each of them.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, NoReturn, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo, timeout_from_conninfo
from psycopg.pq import TransactionStatus

from ..locks import ProcessLock

#: seconds without an answer until the server is asked about its state. With ASK_S it stays below the 10 s in which the API answers
SILENCE_S = 4.0
#: timeout in seconds for connecting to ask, and for each statement of that check; new connections fail at once for as long afterwards
ASK_S = 3
#: seconds that an answer may still be in transit after the server reports the backend idle
GRACE_S = 1.0
#: seconds that a connection's own timeout ends before psycopg's
MARGIN_S = 0.2

Answer = TypeVar("Answer")

_asking = ProcessLock()
_unreachable: dict[tuple[str, str], float] = {}  # (host, port) -> when it was found unreachable


class WatchfulConnection(psycopg.Connection[Any]):
    """A connection whose wait ends with an OperationalError if the server is not executing its statement."""

    #: the backend's process id, for poolers that number connections themselves
    server_pid: int | None = None
    opened_at = float("inf")

    @classmethod
    def _connect_gen(cls, conninfo: str = "", **named: Any) -> Generator[Any, Any, Any]:
        # psycopg calls it for each host of a list: one that hangs delays a fail-over once, not each connection.
        address, begun = _address(conninfo), time.monotonic()
        if _is_unreachable(address):
            raise psycopg.OperationalError(f"{':'.join(address)} did not answer a moment ago")
        limit_s = timeout_from_conninfo(conninfo_to_dict(conninfo)) - MARGIN_S
        connecting = super()._connect_gen(conninfo, **named)
        try:
            wanted = next(connecting)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() - begun > limit_s:
                    # Noted here: psycopg drops a generator whose time is up, and it may be collected minutes later.
                    _unreachable[address] = time.monotonic()
                    raise errors.ConnectionTimeout("connection timeout expired")
                wanted = connecting.send(ready)
        except StopIteration as connected:
            made = connected.value
        made.opened_at = time.monotonic()
        return made

    def wait(self, gen: Generator[Any, Any, Answer], interval: float = 0.1, timeout: float | None = None) -> Answer:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        if _unreachable and self.opened_at < _unreachable.get(self._address, 0.0):
            self._give_up()
        while True:
            try:
                return super().wait(gen, interval, SILENCE_S)
            except errors._WaitTimeout:
                if self.pgconn.transaction_status != TransactionStatus.ACTIVE or self._is_served():
                    continue
            try:
                return super().wait(gen, interval, 0.01 if _is_unreachable(self._address) else GRACE_S)
            except errors._WaitTimeout:
                self._give_up()

    @property
    def _address(self) -> tuple[str, str]:
        return self.info.host, str(self.info.port)

    def _give_up(self) -> NoReturn:
        self.pgconn.finish()
        raise psycopg.OperationalError("the connection was given up: the server does not answer it") from None

    def _is_served(self) -> bool:
        """True if the server reports that it is executing this connection's statement."""
        address = self._address
        with _asking:  # one check at a time: otherwise every thread would query a server that is down
            if _is_unreachable(address):
                return False
            try:
                state = _state_of(self._conninfo(), self.server_pid or self.pgconn.backend_pid)
            except (errors.ConnectionTimeout, errors._WaitTimeout):
                _unreachable[address] = time.monotonic()
                return False
            except (psycopg.Error, OSError):
                return False
        return state is None or state.startswith(("active", "fastpath", "disabled"))

    def beside(self) -> psycopg.Connection[Any]:
        """Open another connection to this server, whose statements have a time limit."""
        return _Asking.connect(self._conninfo(), autocommit=True)

    def _conninfo(self) -> str:
        options: dict[str, Any] = {each.keyword.decode(): each.val.decode() for each in self.pgconn.info if each.val}
        for name in ("hostaddr", "target_session_attrs", "load_balance_hosts"):
            options.pop(name, None)
        address = {"host": self.info.host, "port": self.info.port, "hostaddr": self.info.hostaddr}
        return make_conninfo("", **{**options, **{name: value for name, value in address.items() if value}, "connect_timeout": ASK_S})


def _address(conninfo: str) -> tuple[str, str]:
    options = conninfo_to_dict(conninfo)
    return str(options.get("host") or ""), str(options.get("port") or 5432)


def _is_unreachable(address: tuple[str, str]) -> bool:
    """True if the server was found unreachable a moment ago."""
    return time.monotonic() - _unreachable.get(address, -ASK_S) < ASK_S


class _Asking(psycopg.Connection[Any]):
    def wait(self, gen: Generator[Any, Any, Answer], interval: float = 0.1, timeout: float | None = None) -> Answer:
        return super().wait(gen, interval, ASK_S)


def _state_of(conninfo: str, pid: int) -> str | None:
    """State of a backend as the server reports it; None: not permitted to see it. A backend that has exited is `gone`."""
    with _Asking.connect(conninfo, autocommit=True) as asking:
        row = asking.execute("SELECT state FROM pg_stat_activity WHERE pid = %(pid)s", {"pid": pid}).fetchone()
    return "gone" if row is None else row[0]
