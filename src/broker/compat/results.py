"""Results read from the job's row: `message.get_result()` as in Dramatiq, and `ready` and `get`."""

from __future__ import annotations

import builtins
import json
import time
from functools import partial
from typing import Any, NamedTuple

from dramatiq import Middleware
from dramatiq.results import ResultBackend, ResultFailure, ResultMissing, ResultTimeout
from dramatiq.results import Results as StockResults
from pydantic import TypeAdapter
from sqlalchemy.exc import DBAPIError

from ...actor_schema.return_values import typed
from ...jobs.core.errors import UnknownJob
from ...jobs.core.states import State
from ...jobs.files import result_files
from ...jobs.finish import result_waiters
from ...jobs.read.queries import Ending, ending, find
from ...sql.database import get_database, read
from ...sql.direct import Direct

#: milliseconds `get_result(block=True)` waits without a timeout
DEFAULT_TIMEOUT = 10_000


class Pace(NamedTuple):
    """Polling intervals: the first, the shortest and the longest, and their ratio to the time waited so far."""

    first_s: float
    shortest_s: float
    longest_s: float
    patience: float


#: a waiter with a notification polls all the same: for ends before it subscribed, and for ends without a notification
LISTENING = Pace(0.01, 0.005, 0.5, 1)
#: detects a result late by at most an eighth of the job's duration; a job that was just sent has hardly started by the first poll
POLLING = Pace(0.002, 0.0005, 0.1, 1 / 8)
#: a second connection that dies within this many seconds means that SQL is away
DIED_TWICE_S = 0.1


class JobFailure(ResultFailure):
    """The job ended without success: its `state`, and the `exception` raised by its last attempt, as far as known here.

    Python's built-in exceptions are recreated; any other becomes a RuntimeError with its type and message.
    """

    def __init__(self, ended: Ending) -> None:
        kind, _, text = (ended.error or ended.reason or ended.state.value).partition(": ")
        super().__init__(f"actor raised {ended.error}" if ended.error else f"job is {ended.state}: {ended.reason}", kind, text)  # type: ignore[no-untyped-call, unused-ignore]
        self.state = ended.state
        self.exception = _exception(kind, text) if ended.error else None


def _exception(kind: str, text: str) -> Exception:
    known = getattr(builtins, kind, None)
    if isinstance(known, type) and issubclass(known, Exception):
        try:
            return known(text) if text else known()
        except TypeError:
            pass  # its constructor needs more than a text, like that of UnicodeDecodeError
    return RuntimeError(f"{kind}: {text}" if text else kind)


def state(job: Any) -> State:
    """Return the state of a job now. `job`: its id, or the message that was sent. Raises UnknownJob."""
    with read() as session:
        found = find(session, _id(job))
    if found is None:
        raise _unknown(job)
    return found.state


def ready(job: Any) -> bool:
    """Return whether the job has ended, in any state.

    `job`: its id, or the message that was sent; a later step of a pipeline has no row until its turn.

    Raises UnknownJob if no job has the id.
    """
    with read() as session:
        found = find(session, _id(job))
    if found is None and isinstance(job, str):
        raise _unknown(job)
    return found is not None and found.state.is_final


def _unknown(job: Any) -> UnknownJob:
    return UnknownJob(f"There is no job {_id(job)}.", field="id")


def get(job: Any, timeout: float | None = None, *, kind: Any = None) -> Any:
    """Wait for the job's result. `job`: its id, or the message that was sent; `timeout` in seconds, None: for ever.

    The result has the type `kind`, or else that of its actor's return hint, if this process knows the actor and the
    result matches; otherwise it is plain JSON. Raises UnknownJob if no job has the id, TimeoutError if it has not ended
    by then, JobFailure if it ended without success. Raises pydantic's ValidationError if the result is not of that
    kind.
    """
    if isinstance(job, str):
        state(job)
    deadline = None if timeout is None else time.monotonic() + timeout
    found = _poll(_id(job), deadline)
    if found is None:
        raise TimeoutError(f"job {_id(job)} has not ended within {timeout:g} s{_row_is_missing(_id(job))}")
    result = _result(found)
    return typed(found.actor, result) if kind is None else TypeAdapter(kind).validate_python(result)


class JobResults(ResultBackend):
    """Results of jobs. Stores nothing: the committer has written them with the end of the attempt."""

    def get_result(self, message: Any, *, block: bool = False, timeout: int | None = None) -> Any:
        """Return the result of a message.

        Raises JobFailure if its job ended without success, ResultMissing if it has not ended, ResultTimeout if it does
        not end within `timeout` milliseconds.
        """
        wait = (DEFAULT_TIMEOUT if timeout is None else timeout) / 1000 if block else 0
        found = _poll(message.message_id, time.monotonic() + wait)
        if found is None:
            raise ResultTimeout(message) if block else ResultMissing(message)
        return _result(found)


def _row_is_missing(id: str) -> str:
    with read() as session:
        return "" if find(session, id) is not None else ": it has no row; it was not sent, or a step before it has not succeeded"


def _id(job: Any) -> str:
    return job if isinstance(job, str) else str(job.message_id)


def _poll(id: str, deadline: float | None) -> Ending | None:
    """Return the end of a job that has succeeded, or None if it has not ended at the deadline. Raises JobFailure, AmbiguousId."""
    job = _until_ended(id, deadline)
    if job is None or job.state is State.SUCCEEDED:
        return job
    failure = JobFailure(job)
    raise failure from failure.exception


def _until_ended(id: str, deadline: float | None) -> Ending | None:
    direct = get_database().direct
    if deadline is not None and deadline <= time.monotonic():
        return _wait(id, deadline, None)
    died = -DIED_TWICE_S
    while True:
        try:
            with direct.listening() as listener:
                return _wait(id, deadline, listener)
        except DBAPIError as error:
            # Its connection may have died long ago: a new one shows whether SQL is away.
            if not error.connection_invalidated or time.monotonic() - died < DIED_TWICE_S:
                raise
            died = time.monotonic()


def _wait(id: str, deadline: float | None, listener: Direct | None) -> Ending | None:
    """Wait until the job has ended and return its end, or None at the deadline; `listener` receives the notification."""
    begun = time.monotonic()
    pace = POLLING if listener is None else LISTENING
    waiting: Ending | None = None
    pause = pace.first_s
    while True:
        job = get_database().direct.read(partial(ending, id=id)) if listener is None else result_waiters.note(listener, id)
        if job is None and (whole := _whole(id)) is not None:
            id = whole
            continue
        present = time.monotonic()
        has_ended = job is not None and job.state.is_final
        if has_ended or (deadline is not None and deadline <= present):
            if listener is not None and waiting is not None:
                result_waiters.forget(listener, waiting.seq)
            return job if has_ended else None
        waiting = job
        if deadline is not None:
            pause = min(pause, deadline - present)
        if listener is None:
            time.sleep(pause)
        elif (ended := result_waiters.wait(listener, job, pause)) is not None:
            return ended
        pause = min(max((time.monotonic() - begun) * pace.patience, pace.shortest_s), pace.longest_s)


def _whole(id: str) -> str | None:
    """Return the id of the one job with this id prefix. Raises AmbiguousId."""
    with read() as session:
        found = find(session, id)
    return None if found is None else found.id


def _result(ended: Ending) -> Any:
    text = ended.result if ended.result_file is None else result_files.read(ended.result_file)
    return None if text is None else json.loads(text)


class Results(StockResults):
    """Declare `store_results` and `result_ttl`, so that existing actors may keep them; every result is stored anyway."""

    def __init__(self) -> None:
        super().__init__(backend=JobResults(), store_results=True)  # type: ignore[no-untyped-call]

    after_process_message = Middleware.after_process_message
    after_skip_message = Middleware.after_skip_message
    after_nack = Middleware.after_nack
