"""ResultSet and GroupResult: several results as one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from sqlalchemy import select

from ...jobs.core.models import Job
from ...jobs.core.workflow_models import StoredStep, StoredWorkflow
from ...jobs.submit.submission import new_id
from ...sql.database import read
from ..base.differences import refused, unsupported
from .async_result import AsyncResult, refuse_to_join

_REFUSED = refused("ResultSet.")


class ResultSet:
    """Results of several tasks, in order."""

    def __init__(self, results: Iterable[Any] = (), app: Any = None, ready_barrier: Any = None, **_: Any) -> None:
        self.results = list(results)
        self.app = app

    def add(self, result: Any) -> None:
        if result not in self.results:
            self.results.append(result)

    def remove(self, result: Any) -> None:
        """Remove a result, given itself or its id; raises KeyError."""
        try:
            self.results.remove(AsyncResult(result) if isinstance(result, str) else result)
        except ValueError:
            raise KeyError(result) from None

    def discard(self, result: Any) -> None:
        if result in self.results:
            self.results.remove(result)

    def update(self, results: Iterable[Any]) -> None:
        for each in results:
            self.add(each)

    def clear(self) -> None:
        self.results.clear()

    def ready(self) -> bool:
        """Return whether every task has ended."""
        return all(each.ready() for each in self.results)

    def successful(self) -> bool:
        return all(each.successful() for each in self.results)

    def failed(self) -> bool:
        return any(each.failed() for each in self.results)

    def waiting(self) -> bool:
        return not self.ready()

    def completed_count(self) -> int:
        """Return the number of tasks that have succeeded."""
        return sum(bool(each.successful()) for each in self.results)

    def get(
        self, timeout: float | None = None, propagate: bool = True, interval: float = 0.5, disable_sync_subtasks: bool = True, **how: Any
    ) -> list[Any]:
        """Wait for every task and return the results in order. Raises the first exception, and TimeoutError."""
        refuse_to_join(not disable_sync_subtasks)
        deadline = None if timeout is None else time.monotonic() + timeout
        found = []
        for each in self.results:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            found.append(each.get(timeout=left, propagate=propagate, disable_sync_subtasks=False, **how))
        return found

    join = join_native = get

    def iterate(self, timeout: float | None = None, propagate: bool = True, **_: Any) -> Iterator[Any]:
        """Yield the results in order, each when its task has ended."""
        for each in self.results:
            yield each.get(timeout=timeout, propagate=propagate)

    def maybe_throw(self, propagate: bool = True, callback: Any = None) -> None:
        for each in self.results:
            each.maybe_throw(propagate=propagate)

    maybe_reraise = maybe_throw

    def revoke(self, connection: Any = None, terminate: bool = False, signal: str | None = None, **_: Any) -> None:
        """Cancel every task that has not ended."""
        for each in self.results:
            each.revoke(terminate=terminate, signal=signal)

    def forget(self) -> None:
        for each in self.results:
            each.forget()

    @property
    def supports_native_join(self) -> bool:
        return True

    def __getattr__(self, name: str) -> NoReturn:
        if name in _REFUSED:
            raise unsupported(f"ResultSet.{name}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __iter__(self) -> Iterator[Any]:
        return iter(self.results)

    def __getitem__(self, index: int) -> Any:
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ResultSet) and other.results == self.results

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: [{', '.join(str(each) for each in self.results)}]>"


class GroupResult(ResultSet):
    """Results of a group; `id` is that of its workflow if the group was sent alone."""

    def __init__(self, id: str | None = None, results: Iterable[Any] = (), parent: Any = None, **how: Any) -> None:
        super().__init__(results, **how)
        self.id = id or new_id()
        self.parent = parent

    @property
    def children(self) -> list[Any]:
        return self.results

    def save(self, backend: Any = None) -> GroupResult:
        """Return itself: the workflow's rows are stored already."""
        return self

    def delete(self, backend: Any = None) -> None:
        """Do nothing: retention deletes the rows."""

    @classmethod
    def restore(cls, id: str, backend: Any = None, app: Any = None) -> GroupResult | None:
        """Return the group of this workflow, or None."""
        steps = (
            select(Job.id)
            .join(StoredStep, StoredStep.job_seq == Job.seq)
            .join(StoredWorkflow, StoredWorkflow.seq == StoredStep.workflow_seq)
        )
        with read() as session:
            ids = list(session.execute(steps.where(StoredWorkflow.id == id).order_by(Job.seq)).scalars())
            exists = bool(ids) or session.execute(select(StoredWorkflow.seq).where(StoredWorkflow.id == id)).first() is not None
        return cls(id, [AsyncResult(each) for each in ids]) if exists else None

    def as_tuple(self) -> Any:
        return (self.id, self.parent and self.parent.as_tuple()), [self._member(each) for each in self.results]

    def _member(self, result: Any) -> Any:
        """Describe a member; the parent of the group is not repeated."""
        (id, parent), members = result.as_tuple()
        return (id, None if result.parent is self.parent else parent), members

    def as_list(self) -> list[str]:
        return [self.id, *(id for each in self.results for id in each.as_list())]

    def __bool__(self) -> bool:
        return bool(self.id) or bool(self.results)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GroupResult) and (other.id, other.results) == (self.id, self.results)

    __hash__ = ResultSet.__hash__

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<GroupResult: {self.id} [{', '.join(str(each) for each in self.results)}]>"


def result_from_tuple(stored: Any, app: Any = None) -> Any:
    """Return the result that as_tuple() has described."""
    if isinstance(stored, AsyncResult | ResultSet):
        return stored
    described, members = stored
    id, parent = (described, None) if isinstance(described, str) else described
    above = result_from_tuple(parent) if parent else None
    if members is not None:
        return GroupResult(id, [result_from_tuple(each) for each in members], parent=above)
    return AsyncResult(id, parent=above)
