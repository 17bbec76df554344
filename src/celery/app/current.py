"""current_app and current_task: proxies of this process's application and of the running task."""

from __future__ import annotations

from typing import Any

from ..core import registry, request


class _CurrentApp:
    """Proxy of the application that was created last."""

    def _get_current_object(self) -> Any:
        return registry.app()

    def __getattr__(self, name: str) -> Any:
        return getattr(registry.app(), name)

    def __repr__(self) -> str:
        return repr(registry.app())


class _CurrentTask:
    """Proxy of the running task; false outside of one."""

    def _get_current_object(self) -> Any:
        running = request.current()
        return None if running is None or running.task is None else registry.find(running.task)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get_current_object(), name)

    def __bool__(self) -> bool:
        return self._get_current_object() is not None


current_app = _CurrentApp()
current_task = _CurrentTask()


def app_or_default(app: Any = None) -> Any:
    """Return the application, or the current one for None."""
    return registry.app() if app is None else app
