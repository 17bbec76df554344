"""`message.get_result()` for Dramatiq users, `ready` and `get` for everybody: read from the job's row."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any, NamedTuple

from dramatiq import Middleware
from dramatiq.results import ResultBackend, ResultFailure, ResultMissing, ResultTimeout
from dramatiq.results import Results as StockResults
from pydantic import TypeAdapter
from sqlalchemy.exc import DBAPIError

from src.broker.returned import typed
from src.database import Direct, get_database, read
from src.jobs import awaited, result_files
from src.jobs.queries import Ending, ending, find
from src.jobs.states import State

#: milliseconds `get_result(block=True)` waits if it is not told
DEFAULT_TIMEOUT = 10_000


class Pace(NamedTuple):
    """Pauses between two looks: the shortest and the longest, and how long one is in relation to the time waited so far."""

    shortest_s: float
    longest_s: float
    patience: float


#: who is told of the end looks all the same, for ends that came before he was heard and for those that are not told
LISTENING = Pace(0.001, 0.5, 1)
#: a result is seen late by an eighth of what it took
LOOKING = Pace(0.0005, 0.1, 1 / 8)
#: seconds within which a second connection that dies means that SQL is away
DIED_TWICE_S = 0.1


def ready(job: Any) -> bool:
    """Has the job ended, however? `job`: its id, or the message that was sent."""
    with read() as session:
        found = find(session, _id(job))
    return found is not None and found.state.is_final


def get(job: Any, timeout: float | None = None, *, kind: Any = None) -> Any:
    """Wait for the job's result. `job`: its id, or the message that was sent; `timeout` in seconds, None: for ever.

    The result is of the type `kind`, or else of the one its actor's return hint names, where this process knows the actor
    and the hint is true; otherwise what JSON says. Raises TimeoutError when it has not ended by then, ResultFailure if it
    ended otherwise than by success, and pydantic's ValidationError if it is not of that kind.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    found = _look(_id(job), deadline)
    if found is None:
        raise TimeoutError(f"job {_id(job)} has not ended within {timeout:g} s")
    result = _result(found)
    return typed(found.actor, result) if kind is None else TypeAdapter(kind).validate_python(result)


class JobResults(ResultBackend):
    """Results of jobs. Stores nothing: the committer has written them with the end of the attempt."""

    def get_result(self, message: Any, *, block: bool = False, timeout: int | None = None) -> Any:
        """The result of a message.

        Raises ResultFailure if its job ended otherwise than by success, ResultMissing if it has not ended,
        ResultTimeout if it does not end within `timeout` milliseconds.
        """
        wait = (DEFAULT_TIMEOUT if timeout is None else timeout) / 1000 if block else 0
        found = _look(message.message_id, time.monotonic() + wait)
        if found is None:
            raise ResultTimeout(message) if block else ResultMissing(message)
        return _result(found)


def _id(job: Any) -> str:
    return job if isinstance(job, str) else str(job.message_id)


def _look(id: str, deadline: float | None) -> Ending | None:
    """How the job stands that has succeeded, or None if it has not ended at the deadline. Raises ResultFailure, AmbiguousId."""
    job = _until_ended(id, deadline)
    if job is None or job.state is State.SUCCEEDED:
        return job
    kind, _, text = (job.error or job.reason or job.state.value).partition(": ")
    raise ResultFailure(f"actor raised {job.error}" if job.error else f"job is {job.state}: {job.reason}", kind, text)


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
            # Its connection may have died long ago: another one tells whether SQL is away.
            if not error.connection_invalidated or time.monotonic() - died < DIED_TWICE_S:
                raise
            died = time.monotonic()


def _wait(id: str, deadline: float | None, listener: Direct | None) -> Ending | None:
    """How the job stands that has ended, or None if it has not at the deadline; on `listener` its end is told."""
    begun = time.monotonic()
    pace = LOOKING if listener is None else LISTENING
    waiting: Ending | None = None
    while True:
        job = get_database().direct.read(partial(ending, id=id)) if listener is None else awaited.note(listener, id)
        if job is None and (whole := _whole(id)) is not None:
            id = whole
            continue
        present = time.monotonic()
        has_ended = job is not None and job.state.is_final
        if has_ended or (deadline is not None and deadline <= present):
            if listener is not None and waiting is not None:
                awaited.forget(listener, waiting.seq)
            return job if has_ended else None
        waiting = job
        pause = min(max((present - begun) * pace.patience, pace.shortest_s), pace.longest_s)
        if deadline is not None:
            pause = min(pause, deadline - present)
        if listener is None:
            time.sleep(pause)
        elif (told := awaited.told(listener, job, pause)) is not None:
            return told


def _whole(id: str) -> str | None:
    """The id of the one job whose id begins so. Raises AmbiguousId."""
    with read() as session:
        found = find(session, id)
    return None if found is None else found.id


def _result(ended: Ending) -> Any:
    text = ended.result if ended.result_file is None else result_files.read(ended.result_file)
    return None if text is None else json.loads(text)


class Results(StockResults):
    """Declares `store_results` and `result_ttl`, so that existing actors keep them; every result is stored."""

    def __init__(self) -> None:
        super().__init__(backend=JobResults(), store_results=True)  # type: ignore[no-untyped-call]

    after_process_message = Middleware.after_process_message
    after_skip_message = Middleware.after_skip_message
    after_nack = Middleware.after_nack
