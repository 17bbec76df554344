"""Progress display of a followed job on stderr: a bar on a terminal, else each new line once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from ...jobs.core.states import State

#: shown instead of the state of a running job with a requested cancel
CANCELLING = "cancelling"
Show = Callable[[dict[str, Any]], None]


@contextmanager
def shown() -> Iterator[Show]:
    """Return a function to call with the job's document at each poll."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    with _bar() as show:
        yield show


def _lines() -> Show:
    last = ""

    def show(document: dict[str, Any]) -> None:
        nonlocal last
        progress, line = document["progress"], _state(document)
        if progress:
            line += f" {progress['done']}/{progress['total']} {progress['message'] or ''}".rstrip()
        if line != last:
            click.echo(line, err=True)
            last = line

    return show


@contextmanager
def _bar() -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[message]}", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task, last = progress.add_task("submitted", total=None, message=""), ""

        def show(document: dict[str, Any]) -> None:
            nonlocal last
            state = last = _state(document)
            at = document["progress"] or {"done": 0, "total": None, "message": None}
            waits_for = document["reason"] if state not in (State.RUNNING, CANCELLING) else ""  # waiting for a slot, a pause or a retry
            message = at["message"] or waits_for or ""
            progress.update(task, description=state, completed=at["done"], total=at["total"], message=message)

        yield show
    click.echo(last, err=True)


def _state(document: dict[str, Any]) -> str:
    return CANCELLING if document["cancelling"] else str(document["state"])
