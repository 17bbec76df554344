"""Hooks: parts that a room needs and only a higher room can provide. src/wiring.py connects all of them, at first use at the latest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Generic, TypeVar

_PACKAGE = __name__.partition(".")[0]

Part = TypeVar("Part")


class NotConnected(RuntimeError):
    """A hook was used that src/wiring.py has not connected."""


class Hook(Generic[Part]):
    """Holder of one part. Reading it unconnected raises an error: without the part, rows would change without their consequences."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._part: Part | None = None

    @property
    def is_connected(self) -> bool:
        return self._part is not None

    @property
    def part(self) -> Part:
        """Return the connected part; raises NotConnected."""
        if self._part is None:
            # By name: the wiring is above this module, and a program may import only a room that is below it.
            import_module(f"{_PACKAGE}.wiring").connect()
        if self._part is None:
            raise NotConnected(f"Nothing is connected to the hook {self.name!r}. Import {_PACKAGE}.actors first: it connects every hook.")
        return self._part

    def require(self) -> None:
        """Raise NotConnected if no part is connected."""
        _ = self.part

    def connect(self, part: Part) -> None:
        """Connect the part, replacing an earlier one."""
        self._part = part

    def connect_first(self, part: Part) -> None:
        """Connect the part, unless a program has connected another one."""
        if self._part is None:
            self._part = part

    @contextmanager
    def replaced(self, part: Part) -> Iterator[None]:
        """Connect another part for the block (tests, tools)."""
        earlier, self._part = self._part, part
        try:
            yield
        finally:
            self._part = earlier
