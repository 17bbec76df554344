"""Tasks of a team that moves its workers first: its producers import the same file with Celery's own import line."""

from __future__ import annotations

import os
import time
from typing import Any

from src.celery import Celery

app = Celery("moved")


def note(id: str) -> None:
    """Record that a task has run, and take a moment, in which its worker may be killed."""
    file = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{id}\n".encode())
    os.close(file)
    time.sleep(0.2)


@app.task(bind=True, name="moved.add")
def add(self: Any, x: int, y: int) -> int:
    note(self.request.id)
    return x + y


@app.task(bind=True, name="moved.total")
def total(self: Any, numbers: list[int]) -> int:
    note(self.request.id)
    return sum(numbers)


@app.task(bind=True, name="moved.flaky", max_retries=5)
def flaky(self: Any, failures: int) -> int:
    """Fail a few times before it has its effect."""
    if self.request.retries < failures:
        raise self.retry(countdown=0)
    note(self.request.id)
    return int(self.request.retries)


@app.task(bind=True, name="moved.fail")
def fail(self: Any) -> None:
    note(self.request.id)
    raise KeyError("broken")


@app.task(bind=True, name="moved.after_failure")
def after_failure(self: Any, request: Any, exc: Any, traceback: Any) -> str:
    note(self.request.id)
    return str(request.id)
