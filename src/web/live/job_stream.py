"""Server-sent events of one job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from flask import Response, request

from ...jobs.attempts.attempt_logs import Place
from ...operations.jobs.documents.log_documents import read_place
from ..auth import streamed
from .job_watcher import News, follow, tailer

#: last event: the browser closes the stream
DONE = "done"


@dataclass(frozen=True, slots=True)
class Message:
    """One message; the browser sends `id` back when it reconnects."""

    data: str
    event: str | None = None
    id: str | None = None


def stream(id: str, render: Callable[[News], Iterable[Message]], *, after: Place | None = None) -> Response:
    """Stream a job's updates, formatted by `render`, then `done`. Raises TooManyStreams.

    With `after`, also stream the log from there, or from the last line before a reconnect.
    """
    if after is not None:
        after = max(after, read_place(request.headers.get("Last-Event-ID")))
    open = ExitStack()
    watch = open.enter_context(tailer.watch(id, after=after))

    def messages() -> Iterator[str]:
        with open:
            yield "retry: 3000\n\n"
            for news in follow(watch):
                if news is None:
                    yield ": alive\n\n"
                    continue
                for message in render(news):
                    yield _written(message)
                if news.job is not None and news.job.state.is_final:
                    yield _written(Message(news.job.state.value, DONE))

    response = Response(streamed(messages()), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # disables buffering in nginx, which would delay events
    response.call_on_close(open.close)  # also if the response is never iterated
    return response


def _written(message: Message) -> str:
    head = (f"event: {message.event}\n" if message.event else "") + (f"id: {message.id}\n" if message.id else "")
    return head + "".join(f"data: {line}\n" for line in message.data.splitlines() or [""]) + "\n"
