"""app.control: revoke; operators do everything else through the console, the API and the commands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from ..base.differences import refused, unsupported
from ..result import AsyncResult

_REFUSED = refused("app.control.")


class Control:
    """Actions on jobs."""

    def revoke(self, task_id: Any, destination: Any = None, terminate: bool = False, signal: str | None = None, **_: Any) -> None:
        """Cancel jobs by id while they wait, and with `terminate` also while they run."""
        ids: Iterable[str] = [task_id] if isinstance(task_id, str) else task_id
        for each in ids:
            AsyncResult(each).revoke(terminate=terminate, signal=signal)

    def terminate(self, task_id: Any, destination: Any = None, signal: str | None = None, **_: Any) -> None:
        """Cancel jobs by id, also while they run."""
        self.revoke(task_id, terminate=True, signal=signal)

    def __getattr__(self, name: str) -> NoReturn:
        if name in _REFUSED:
            raise unsupported(f"app.control.{name}")
        raise AttributeError(name)
