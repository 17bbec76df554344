"""Context: `self.request`, the description of the attempt that runs in this context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

#: message option that carries the fields of a request that no column holds
OPTION = "celery"


class Context:
    """Fields of a request; a plain call of the function has the defaults."""

    id: str | None = None
    task: str | None = None
    args: Any = None
    kwargs: Any = None
    retries = 0
    hostname: str | None = None
    is_eager = False
    called_directly = True
    eta: str | None = None
    expires: str | None = None
    timelimit: Any = (None, None)
    time_limit: float | None = None
    soft_time_limit: float | None = None
    delivery_info: dict[str, Any] | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group: str | None = None
    group_index: int | None = None
    chord: Any = None
    headers: dict[str, Any] | None = None
    stamped_headers: list[str] | None = None
    stamps: dict[str, Any] | None = None
    children: Any = None
    shadow: str | None = None
    replaced_task_nesting = 0
    callbacks: Any = None
    errbacks: Any = None
    chain: Any = None
    utc = True
    lang = "py"
    origin: str | None = None
    reply_to: str | None = None
    ignore_result = False
    logfile = None
    loglevel = None
    properties: dict[str, Any] | None = None
    is_entered = False  # its task is being called: a further call is a direct one
    postponed: BaseException | None = None  # a retry that waits for the function's return

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    @property
    def correlation_id(self) -> str | None:
        return (self.properties or {}).get("correlation_id") or self.id

    @property
    def argsrepr(self) -> str:
        return str(vars(self).get("argsrepr") or repr(self.args))

    @property
    def kwargsrepr(self) -> str:
        return str(vars(self).get("kwargsrepr") or repr(self.kwargs))

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)

    def update(self, *given: Any, **named: Any) -> None:
        self.__dict__.update(*given, **named)

    def __repr__(self) -> str:
        return f"<Context: {self.__dict__!r}>"


_running: ContextVar[tuple[Context, ...]] = ContextVar("callboard_celery_requests", default=())


@contextmanager
def entered(request: Context) -> Iterator[Context]:
    """Make it the request of its task for the block."""
    token = _running.set((*_running.get(), request))
    try:
        yield request
    finally:
        _running.reset(token)


def push(request: Context) -> None:
    """Make it the request of its task until pop(), as a test of a task does."""
    _running.set((*_running.get(), request))


def pop() -> None:
    """End the innermost request."""
    _running.set(_running.get()[:-1])


def current(task: str | None = None) -> Context | None:
    """Return the innermost request of this context, or of this task."""
    return next((request for request in reversed(_running.get()) if task is None or request.task == task), None)


def family() -> dict[str, str]:
    """Return the root and parent of a task that is sent in this context."""
    request = current()
    if request is None or request.id is None:
        return {}
    return {"parent_id": request.id, "root_id": request.root_id or request.id}
