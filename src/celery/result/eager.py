"""EagerResult: the result of a task that ran in its caller."""

from __future__ import annotations

from typing import Any

from .. import states
from .async_result import AsyncResult


class EagerResult(AsyncResult):
    """Outcome of `task.apply()`; there is no job."""

    def __init__(
        self, id: str, ret_value: Any, state: str, traceback: str | None = None, name: str | None = None, parent: Any = None
    ) -> None:
        super().__init__(id, task_name=name, parent=parent)
        self._value, self._state, self._traceback = ret_value, state, traceback

    @property
    def state(self) -> str:
        return self._state

    status = state

    @property
    def result(self) -> Any:
        return self._value

    info = result

    @property
    def traceback(self) -> str | None:
        return self._traceback

    @property
    def children(self) -> list[Any]:
        return []

    @property
    def name(self) -> str | None:
        return self._name

    def get(self, timeout: float | None = None, propagate: bool = True, *_: Any, callback: Any = None, **__: Any) -> Any:
        """Return the result; raises the task's exception, or returns it without `propagate`."""
        value = self.maybe_throw(propagate)
        if callback is not None:
            callback(self.id, value)
        return value

    def revoke(self, *_: Any, **__: Any) -> None:
        """Mark it as revoked."""
        self._state = states.REVOKED

    def _job(self) -> None:
        return None

    def __reduce__(self) -> Any:
        return type(self), (self.id, self._value, self._state, self._traceback, self._name, self.parent)
