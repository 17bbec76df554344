"""Job handle: `job(id)`, the state, result and actions of one job for application code, also for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from ...jobs.control import actions
from ...jobs.core.errors import UnknownJob
from ...jobs.core.models import Attempt, Job
from ...jobs.core.states import State
from ...jobs.read import attempts
from ...jobs.read.queries import find
from ...sql.database import read, write
from . import results
from .results import POLLING, JobFailure


@dataclass(frozen=True, slots=True)
class JobHandle:
    """One job. Each access reads its row; raises UnknownJob if no job has the id.

    The methods whose names end in `_async` do the same for asyncio, without blocking its loop.
    """

    id: str

    @property
    def state(self) -> State:
        return self._row().state

    @property
    def result(self) -> Any:
        """Its result. Raises TimeoutError if it has not ended, JobFailure if it ended without success."""
        return self.wait(0)

    @property
    def exception(self) -> JobFailure | None:
        """Its failure, with the exception of its last attempt; None if it succeeded or has not ended."""
        try:
            self.wait(0)
        except JobFailure as failure:
            return failure
        except TimeoutError:
            pass
        return None

    @property
    def attempts(self) -> Sequence[Attempt]:
        """Its ended attempts, oldest first."""
        row = self._row()
        with read() as session:
            return attempts.of(session, row)[::-1]

    def wait(self, timeout: float | None = None, *, kind: Any = None) -> Any:
        """Return its result when it has ended; `timeout` in seconds, None: for ever. `kind` and errors: those of get()."""
        return results.get(self.id, timeout, kind=kind)

    def cancel(self) -> State:
        """Cancel it, or ask it to stop if it runs; return its state. Raises NotAllowed if it has ended."""
        return self._act(actions.cancel)

    def retry(self) -> State:
        """Queue it again if it is dead, cancelled, expired or waits for a retry; return its state. Raises NotAllowed."""
        return self._act(actions.retry)

    async def state_async(self) -> State:
        return await asyncio.to_thread(lambda: self.state)

    async def result_async(self) -> Any:
        return await asyncio.to_thread(lambda: self.result)

    async def exception_async(self) -> JobFailure | None:
        return await asyncio.to_thread(lambda: self.exception)

    async def attempts_async(self) -> Sequence[Attempt]:
        return await asyncio.to_thread(lambda: self.attempts)

    async def wait_async(self, timeout: float | None = None, *, kind: Any = None) -> Any:
        """Do as wait(). Polls: thousands may wait, and none occupies a thread."""
        begun = time.monotonic()
        while not (await self.state_async()).is_final:
            waited = time.monotonic() - begun
            if timeout is not None and waited >= timeout:
                raise TimeoutError(f"job {self.id} has not ended within {timeout:g} s")
            pause = min(max(waited * POLLING.patience, POLLING.shortest_s), POLLING.longest_s)
            await asyncio.sleep(pause if timeout is None else min(pause, timeout - waited))
        return await asyncio.to_thread(self.wait, 0, kind=kind)

    async def cancel_async(self) -> State:
        return await asyncio.to_thread(self.cancel)

    async def retry_async(self) -> State:
        return await asyncio.to_thread(self.retry)

    def _row(self) -> Job:
        with read() as session:
            found = find(session, self.id)
        if found is None:
            raise UnknownJob(f"There is no job {self.id}.", field="id")
        return found

    def _act(self, action: Callable[[Session, str], Job]) -> State:
        whole = self._row().id
        with write() as session:
            return action(session, whole).state


def job(job: Any) -> JobHandle:
    """Return the handle of a job. `job`: its id, the message that was sent, or the receipt of its submission."""
    return JobHandle(job if isinstance(job, str) else str(getattr(job, "message_id", None) or job.id))
