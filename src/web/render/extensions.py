"""Console extensions on pages: call a team's code with a time limit, and show a failing call as failed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from ... import console
from ...console import JobView, Tab
from ...jobs.core.values import text_of
from ...logs import get_logger
from ...operations.format.json_documents import finite, printable
from ...operations.jobs.documents import job_documents
from ...operations.jobs.rows import Job
from .filters import arguments_of

log = get_logger(__name__)

#: Callboard's own tabs of an actor's page, before those of extensions
ACTOR_TABS = {"run": "Run", "jobs": "Jobs", "schedules": "Schedules", "batches": "Batches", "api": "API", "settings": "Settings"}
#: seconds that one call may take
LIMIT_S = 1.0
#: calls at the same time in this process; one that never returns keeps its place
MOST_AT_ONCE = 8
#: characters of what a call returns
MOST_CHARACTERS = 500_000
#: characters of the message of an exception
MOST_OF_ERROR = 1_000

_room = threading.BoundedSemaphore(MOST_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Rendered:
    """Result of a call as HTML, or the reason of its failure."""

    html: Markup | None = None
    problem: str | None = None


def init(app: Flask) -> None:
    """Register the functions that templates call."""
    app.jinja_env.globals.update(
        own_result=own_result,
        own_argument=own_argument,
        own_links=job_documents.links,
        actor_tabs=ACTOR_TABS,
        own_tabs=lambda kind, actor: console.tabs(kind, actor or ""),
    )


def own_result(job: Job) -> Rendered | None:
    """The result as the actor's renderer shows it; None without a renderer."""
    function = console.renderer_of(job.actor or "")
    return None if function is None else call(function, job.result, view(job))


def own_argument(job: Job, name: str, value: Any) -> Rendered | None:
    """An argument as its renderer shows it; None without a renderer."""
    function = console.renderer_of(job.actor or "", name)
    return None if function is None else call(function, _passed(value), view(job))


def tab(kind: str, actor: str | None, name: str) -> Tab | None:
    """The tab of this name of a job's or an actor's page."""
    return next((each for each in console.tabs(kind, actor or "") if each.name == name), None)


def view(job: Job) -> JobView:
    """The job as a team's code sees it."""
    return JobView(
        job.id, job.actor or "", job.queue, job.state.value, {name: _passed(value) for name, value in arguments_of(job)}, job.result, job.error, job.submitted_by, job.created_at,
        job.started_at, job.finished_at,
    )  # fmt: skip


def _passed(value: Any) -> Any:
    """An argument as a team's code gets it: lists and objects hold JSON's numbers only."""
    return finite(value) if isinstance(value, list | dict) else value


def call(function: Callable[..., Any], *args: Any) -> Rendered:
    """Call a team's code in a thread of its own, as the request's caller, and wait for it within the limit."""
    room = _room
    if not room.acquire(blocking=False):
        return Rendered(problem=f"{MOST_AT_ONCE} earlier calls have not returned yet")
    answers: SimpleQueue[Rendered | Exception] = SimpleQueue()
    context = copy_context()  # with the caller, so that its reads see permitted rows only

    def work() -> None:
        try:
            answers.put(_html(context.run(function, *args)))
        except Exception as error:  # noqa: BLE001 - a team's code may raise anything; the caller logs it
            answers.put(error)
        finally:
            room.release()

    try:
        threading.Thread(target=work, name="extension", daemon=True).start()
    except RuntimeError as error:  # no thread could be started
        room.release()
        return Rendered(problem=str(error))
    try:
        answer = answers.get(timeout=LIMIT_S)
    except Empty:
        log.warning("console_extension_slow", function=_name(function), limit_s=LIMIT_S)
        return Rendered(problem=f"no answer within {LIMIT_S:g} s")
    if isinstance(answer, Rendered):
        return answer
    log.warning("console_extension_failed", function=_name(function), exc_info=answer)
    return Rendered(problem=printable(f"{type(answer).__name__}: {text_of(answer, MOST_OF_ERROR)}"))


def _html(value: Any) -> Rendered:
    if not isinstance(value, str):
        return Rendered(problem=f"it returned {type(value).__name__}; text or Markup is expected")
    if len(value) > MOST_CHARACTERS:
        return Rendered(problem=f"it returned {len(value):,} characters, more than {MOST_CHARACTERS:,}")
    text = printable(value)
    return Rendered(Markup(text) if isinstance(value, Markup) else Markup("<pre tabindex='0'>{}</pre>").format(escape(text)))


def _name(function: Callable[..., Any]) -> str:
    """The name of a function; that of its type, if it is another callable."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))
