"""The caller: the user, token or terminal on whose behalf the code runs, and the error for a missing permission."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from .roles import Role


class Forbidden(Exception):
    """The caller lacks a permission; the message says which one."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, a token or an operator at a terminal. `key` scopes idempotency keys; `actors`: the only permitted ones, None: all."""

    name: str
    role: Role
    key: str
    actors: tuple[str, ...] | None = None


_current: ContextVar[Caller | None] = ContextVar("callboard_caller", default=None)


def become(caller: Caller | None) -> None:
    """Set the caller of this thread's request; None ends it, so that a pooled thread never keeps the caller of an earlier request."""
    _current.set(caller)


def current() -> Caller | None:
    """The caller of this request; None in workers, schedulers and at the terminal: unlimited."""
    return _current.get()


@contextmanager
def unlimited() -> Iterator[None]:
    """Read without the caller's limits, for what other callers get as well."""
    before = _current.set(None)
    try:
        yield
    finally:
        _current.reset(before)
