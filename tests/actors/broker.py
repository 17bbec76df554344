"""Actors for the tests of the broker room; the worker loads them by CALLBOARD_ACTORS.

A sleep here is a job's work or its hang; tests never wait by sleeping.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import dramatiq
from dramatiq.errors import Retry
from sqlalchemy import text

from src.actors.widgets import Widget
from src.jobs import current_job

AnyActor = dramatiq.Actor[Any, Any]


@dramatiq.actor(max_retries=0)
def echo(value: Any = None) -> Any:
    """Return the argument."""
    return value


@dramatiq.actor(max_retries=0)
def strictly(number: int, *, word: str = "default") -> list[Any]:
    """Take exactly these."""
    return [number, word]


@dramatiq.actor(max_retries=0)
def when(instant: datetime) -> str:
    """Take what JSON has no type for."""
    return instant.tzname() or "naive"


@dramatiq.actor(max_retries=0)
async def fetch(value: str) -> list[str]:
    """Await something, as a coroutine."""
    await asyncio.sleep(0)
    current_job.progress(1, 1, "awaited")
    return [value, current_job.id]


@dramatiq.actor(max_retries=0, time_limit=300)
async def await_for_ever() -> None:
    """Run into the time limit as a coroutine."""
    await asyncio.sleep(3600)


@dramatiq.actor(max_retries=0)
def fail(words: str) -> None:
    """Raise."""
    raise ValueError(words)


@dramatiq.actor(max_retries=0)
def fail_after(seconds: float, words: str) -> None:
    """Raise after a while."""
    time.sleep(seconds)
    raise ValueError(words)


@dramatiq.actor(max_retries=0)
def unstorable() -> object:
    """Return what cannot be kept."""
    return threading.Lock()


@dramatiq.actor(max_retries=3, min_backoff=1, max_backoff=1)
def succeed_at(attempt: int) -> int:
    """Fail until this attempt."""
    number: int = current_job.attempt
    if number < attempt:
        raise ValueError(f"attempt {number}")
    return number


@dramatiq.actor(max_retries=5, throws=(KeyError,))
def throw_key_error() -> None:
    """Raise what is not to be retried."""
    raise KeyError("gone")


@dramatiq.actor(retry_when=lambda failures, error: failures < 1 and isinstance(error, OSError), min_backoff=1, max_backoff=1)
def fail_with(kind: str) -> None:
    """Raise an OSError or something else."""
    raise OSError("away") if kind == "OSError" else ValueError("wrong")


@dramatiq.actor(max_retries=1)
def ask_for_retry(delay: int | None) -> int:
    """Ask for another attempt once."""
    if current_job.attempt == 1:
        raise Retry("later", delay=delay)
    attempt: int = current_job.attempt
    return attempt


@dramatiq.actor(max_retries=1, retry_delay=600_000)
def mail_as_the_overview_does(to: str) -> None:
    """Fail as a mail server does, to be tried again in exactly ten minutes."""
    raise ConnectionRefusedError(to)


@dramatiq.actor
def note_failure(message: dict[str, Any], error: dict[str, str]) -> list[Any]:
    """A callback."""
    return [message["message_id"], error]


@dramatiq.actor
def note_success(message: dict[str, Any], result: Any) -> list[Any]:
    """A callback."""
    return [message["message_id"], result]


@dramatiq.actor
def note_exhausted(message: dict[str, Any], retries: dict[str, int]) -> list[Any]:
    """A callback."""
    return [message["message_id"], retries]


@dramatiq.actor(
    max_retries=1, min_backoff=1, max_backoff=1, on_failure="note_failure", on_success="note_success", on_retry_exhausted="note_exhausted"
)
def call_back(succeed: bool) -> str:
    """Succeed or fail, and have it noted."""
    if not succeed:
        raise ValueError("no")
    return "yes"


@dramatiq.actor(max_retries=0)
def increment(number: int) -> int:
    """A step of a pipeline."""
    return number + 1


@dramatiq.actor(max_retries=0, time_limit=300)
def run_for_ever() -> None:
    """Run into the time limit."""
    while True:
        time.sleep(0.01)


@dramatiq.actor(max_retries=0)
def make_and_wait(made: str, awaited: str) -> int:
    """Create a file, then wait for another; each poll is a check-point."""
    Path(made).touch()
    looks = 0
    while not Path(awaited).exists():
        time.sleep(0.01)
        looks += 1
        current_job.progress(looks, None, "waiting")
    attempt: int = current_job.attempt
    return attempt


@dramatiq.actor(max_retries=0)
def make_and_wait_deaf(made: str, awaited: str) -> int:
    """The same without a check-point; the file gets a line for each time it runs."""
    with open(made, "a") as file:
        file.write(f"{current_job.attempt}\n")
    while not Path(awaited).exists():
        time.sleep(0.01)
    attempt: int = current_job.attempt
    return attempt


@dramatiq.actor(max_retries=0)
def append(path: str, line: str) -> None:
    """Leave a trace of having run."""
    with open(path, "a") as file:
        file.write(f"{line}\n")


@dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=1, transactional=True)
def write_widgets(names: list[str], fail_at: int = 0) -> int:
    """Write rows in the job's own transaction, and fail at this attempt."""
    current_job.session.add_all([Widget(name=name) for name in names])
    current_job.session.flush()
    if current_job.attempt == fail_at:
        raise ValueError("after the writes")
    return len(names)


@dramatiq.actor(max_retries=0, transactional=True)
def send_and_fail(name: str, succeed: bool) -> str:
    """Send a message from inside the transaction."""
    current_job.session.add(Widget(name=name))
    sent = echo.send(name)
    if not succeed:
        raise ValueError(sent.message_id)
    return sent.message_id


@dramatiq.actor(max_retries=0, transactional=True)
def break_the_transaction() -> None:
    """Leave something behind that cannot be committed."""
    current_job.session.execute(text("INSERT INTO user_accounts (username, email, password_hash, joined_at) VALUES (NULL, '', '', NULL)"))


@dramatiq.actor(max_retries=0)
def ask_for_a_session() -> None:
    """Ask for a session without being transactional."""
    current_job.session.add(Widget(name="never"))


@dramatiq.actor(max_retries=0)
def return_much(length: int, seconds: float = 0) -> str:
    """Return a text of this length."""
    time.sleep(seconds)
    return "x" * length


@dramatiq.actor(max_retries=0, transactional=True)
def return_much_with_a_row(length: int, seconds: float = 0) -> str:
    """The same in one commit with a row."""
    time.sleep(seconds)
    current_job.session.add(Widget(name="kept with a large result"))
    return "x" * length


@dramatiq.actor(max_retries=0)
def tell_when() -> dict[str, datetime]:
    """Return what JSON has no type for."""
    return {"epoch": datetime.fromisoformat("1970-01-01T00:00:00+00:00")}


_kept: list[bytes] = []


@dramatiq.actor(max_retries=0)
def grow(megabytes: int) -> None:
    """Leak memory."""
    _kept.append(os.urandom(1_000_000) * megabytes)
