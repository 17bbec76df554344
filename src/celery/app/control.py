"""app.control: revoke, inspect, ping, and the actions on workers, queues and rates, as the console and API do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from sqlalchemy.orm import Session

from ...jobs.core.states import WorkerCommand
from ...jobs.leases import worker_commands, workers
from ...jobs.limits import overrides
from ...sql.database import read, write
from ..base.differences import refused, unsupported
from ..base.modules import absent
from ..result import AsyncResult
from . import inspections, purging

_REFUSED, _NOT_SEEN = refused("app.control."), refused("app.control.inspect().")
#: the operator of overrides and worker commands that code gives
CODE = "app.control"

Reply = dict[str, Any]


class Inspect:
    """Workers and jobs by worker, as `celery inspect` shows them. Jobs that wait belong to no worker: they are under `callboard`."""

    def __init__(self, destination: str | Iterable[str] | None = None, **_: Any) -> None:
        self._destination = _names(destination)

    def ping(self, destination: str | Iterable[str] | None = None) -> Reply | None:
        """Return `{"ok": "pong"}` for each worker; None without one."""
        return self._of_workers("ping", destination)

    def registered(self, *_: str) -> Reply | None:
        """Return the task names of each worker."""
        return self._of_workers("registered")

    registered_tasks = registered

    def active(self, safe: bool | None = None) -> Reply | None:
        """Return the running jobs of each worker."""
        return self._of_workers("active")

    def active_queues(self) -> Reply | None:
        """Return the queues of each worker."""
        return self._of_workers("active_queues")

    def stats(self) -> Reply | None:
        """Return process, threads and broker of each worker."""
        return self._of_workers("stats")

    def reserved(self, safe: bool | None = None) -> Reply | None:
        """Return the queued jobs."""
        return self._of_waiting("reserved")

    def scheduled(self, safe: bool | None = None) -> Reply | None:
        """Return the delayed and retried jobs."""
        return self._of_waiting("scheduled")

    def revoked(self) -> Reply | None:
        """Return the ids of cancelled jobs."""
        return self._of_waiting("revoked")

    def query_task(self, *ids: Any) -> Reply | None:
        """Return state and request of jobs by id."""
        flat = [id for each in ids for id in ([each] if isinstance(each, str) else each)]
        with read() as session:
            return {inspections.WAITING: inspections.query_task(session, flat)}

    def _of_workers(self, action: str, destination: str | Iterable[str] | None = None) -> Reply | None:
        with read() as session:
            found = inspections.chosen(workers.fleet(session), _names(destination) or self._destination)
            return {each.name: inspections.OF_WORKERS[action](session, each) for each in found} or None

    @staticmethod
    def _of_waiting(action: str) -> Reply | None:
        with read() as session:
            return {inspections.WAITING: inspections.OF_WAITING[action](session)} if workers.alive(session) else None

    def __getattr__(self, name: str) -> NoReturn:
        if name in _NOT_SEEN:
            raise unsupported(f"app.control.inspect().{name}")
        raise AttributeError(name)


class Control:
    """Actions on jobs, queues and workers. `destination` names workers as host:pid, or as name@host for all of a host."""

    inspect = Inspect

    def revoke(self, task_id: Any, destination: Any = None, terminate: bool = False, signal: str | None = None, **_: Any) -> None:
        """Cancel jobs by id while they wait, and with `terminate` also while they run."""
        ids: Iterable[str] = [task_id] if isinstance(task_id, str) else task_id
        for each in ids:
            AsyncResult(each).revoke(terminate=terminate, signal=signal)

    def terminate(self, task_id: Any, destination: Any = None, signal: str | None = None, **_: Any) -> None:
        """Cancel jobs by id, also while they run."""
        self.revoke(task_id, terminate=True, signal=signal)

    def purge(self, connection: Any = None) -> int:
        """Cancel the waiting jobs of the tasks' queues, also those that start later; return their number."""
        return purging.purge(purging.queues_of_tasks())

    discard_all = purge

    def ping(self, destination: str | Iterable[str] | None = None, **_: Any) -> list[Reply]:
        """Return one reply for each living worker."""
        return [{name: answer} for name, answer in (Inspect(destination).ping() or {}).items()]

    def rate_limit(self, task_name: str, rate_limit: int | str | None, destination: Any = None, **_: Any) -> list[Reply]:
        """Limit the starts of a task across the fleet, e.g. 10/m; 0 or None: no limit."""
        text = str(rate_limit or "0")
        value = None if text in ("0", "0.0") else f"{text}/s" if text.isdecimal() else text

        def limit(session: Session) -> None:
            _require(session, "actor", task_name)
            overrides.set_rate_limit(session, "actor", task_name, value, by=CODE)

        return _done(limit, "new rate limit set successfully")

    def add_consumer(self, queue: str, destination: Any = None, **_: Any) -> list[Reply]:
        """Resume a queue across the fleet."""
        return _done(lambda session: overrides.resume(session, "queue", queue), f"add consumer {queue}")

    def cancel_consumer(self, queue: str, destination: Any = None, **_: Any) -> list[Reply]:
        """Pause a queue across the fleet: a worker's other queues go on."""

        def pause(session: Session) -> None:
            _require(session, "queue", queue)
            overrides.pause(session, "queue", queue, until=None, reason="app.control.cancel_consumer", by=CODE)

        return _done(pause, f"no longer consuming from {queue}")

    def shutdown(self, destination: str | Iterable[str] | None = None, **_: Any) -> None:
        """Stop workers once their jobs have finished."""
        with write() as session:
            for worker in inspections.chosen(workers.alive(session), _names(destination)):
                worker_commands.ask(session, worker.name, WorkerCommand.STOP, by=CODE)

    def __getattr__(self, name: str) -> NoReturn:
        if name in _REFUSED:
            raise unsupported(f"app.control.{name}")
        raise AttributeError(name)


def _names(destination: str | Iterable[str] | None) -> Sequence[str]:
    return [destination] if isinstance(destination, str) else list(destination or ())


def _require(session: Session, scope: str, name: str) -> None:
    """Raise JobsError for an actor or queue that this process and the workers do not have."""
    from ...operations.fleet import override_requests  # here: it imports the actors, whose modules import this package

    override_requests.require(session, override_requests.Target(scope, name))


def _done(act: Callable[[Session], object], said: str) -> list[Reply]:
    """Act once for the fleet, and return the reply for each living worker."""
    with write() as session:
        act(session)
        return [{worker.name: {"ok": said}} for worker in workers.alive(session)]


__getattr__ = absent(__name__)
