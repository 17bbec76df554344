"""Server-sent events of one workflow.

Few viewers watch workflows, so each stream polls by itself. The number of streams is limited, as for jobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from ...jobs.control import workflows
from ...jobs.control.workflows import Found
from ...logs import get_logger
from ...sql import database, outages
from ..auth import streamed
from .job_watcher import HEARTBEAT_S, lifetime
from .stream_room import StreamRoom

log = get_logger(__name__)

#: poll interval in seconds
LOOK_INTERVAL_S = 0.5
#: maximum open workflow streams per web process, besides those of jobs
MAX_STREAMS = 8
#: last event: the browser closes the stream
DONE = "done"

_room = StreamRoom()


def stream(id: str, render: Callable[[Found], str], *, event: str | None = None) -> Response:
    """Stream a workflow's changes, formatted by `render`, then `done`. Raises TooManyStreams."""
    open = ExitStack()
    open.enter_context(_room.enter(MAX_STREAMS))

    def messages() -> Iterator[str]:
        with open:
            yield "retry: 3000\n\n"
            for found in _follow(id):
                if found is None:
                    yield ": alive\n\n"
                    continue
                yield _message(render(found), event)
                if found.finished_at is not None:
                    yield _message(found.state, DONE)

    response = Response(streamed(messages()), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # disables buffering in nginx, which would delay events
    response.call_on_close(open.close)  # also if the response is never iterated
    return response


def _follow(id: str) -> Iterator[Found | None]:
    """Yield the workflow at each change until all steps have finished; None: send a keep-alive."""
    begun = spoken = time.monotonic()
    known: Found | None = None
    longest = lifetime()
    while time.monotonic() - begun < longest:
        found = _look(id)
        if found is not None and found != known:
            known, spoken = found, time.monotonic()
            yield found
            if found.finished_at is not None:
                return
        elif time.monotonic() - spoken > HEARTBEAT_S:
            spoken = time.monotonic()
            yield None
        time.sleep(LOOK_INTERVAL_S)


def _look(id: str) -> Found | None:
    try:
        with database.read() as session:
            found = workflows.find(session, id)
        outages.outage_over("workflow_stream_database_away")
        return found
    except SQLAlchemyError as error:
        # Keep the stream open: updates follow when the database is back.
        outages.log_outage(log, "workflow_stream_database_away", error)
        return None


def _message(data: str, event: str | None) -> str:
    head = f"event: {event}\n" if event else ""
    return head + "".join(f"data: {line}\n" for line in data.splitlines() or [""]) + "\n"
