"""/api/v1/events: changes of the whole fleet as server-sent JSON events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Annotated

from flask import Response, request, stream_with_context
from pydantic import Field
from typing_extensions import TypedDict
from werkzeug.exceptions import ServiceUnavailable

from ....operations.fleet.fleet_events import TYPES, Cursor, EventFilter
from ....operations.format.json_documents import dump
from ....operations.people import caller, permissions
from ....operations.people.roles import Role
from ...auth import allow
from ...live.fleet_stream import tailer
from ...live.job_watcher import HEARTBEAT_S, lifetime
from ...live.stream_room import TooManyStreams
from ..requests.routes import Header, Routes, Tag

api = Routes(Tag.FLEET)
_EVENTS = Annotated[str, Field(description="events: each `data` is a JSON object with `type`, `key`, `at`, `actor`, `queue` and `data`")]
_LAST = Header("Last-Event-ID", "the id of the last event that was read: continue after it", "^[0-9]{1,17}-[0-9]{1,18}$", 40)


class Wanted(TypedDict, total=False):
    """Filters of events; several values are separated by commas."""

    type: Annotated[str, Field(description=f"types, of which a star ends a prefix: {', '.join(TYPES)}")]
    actor: Annotated[str, Field(description="only events of these actors")]
    queue: Annotated[str, Field(description="only events of these queues")]


@api.get("/events", query=Wanted, answer=_EVENTS, media="text/event-stream", headers=(_LAST,), errors=(422,))
@allow(Role.VIEWER)
def fleet_events() -> Response:
    """Stream changes of the fleet: jobs, errors, workers, schedules, pauses and alerts.

    Each event arrives at least once; `key` recognises a repetition. `resync` says that events were left out.
    """
    wanted = {name: [word for word in request.args.get(name, "").split(",") if word] for name in ("type", "actor", "queue")}
    filter = EventFilter.of(
        caller.current(), permissions.in_force(), types=wanted["type"], actors=wanted["actor"], queues=wanted["queue"]
    )  # fmt: skip
    after = Cursor.read(request.headers.get("Last-Event-ID"))
    open = ExitStack()
    try:
        feed = open.enter_context(tailer.feed(filter, after=after))
    except TooManyStreams:
        raise ServiceUnavailable("Too many open streams. Try again in a minute, or use another web process.") from None

    def messages() -> Iterator[str]:
        with open:
            yield "retry: 3000\n\n"
            yield ": alive\n\n"
            deadline = time.monotonic() + lifetime()
            while (left := deadline - time.monotonic()) > 0:
                events = feed.next(min(HEARTBEAT_S, left))
                for event, cursor in events:
                    yield f"id: {cursor}\ndata: {dump(event.document())}\n\n"
                if not events:
                    yield ": alive\n\n"

    response = Response(stream_with_context(messages()), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # disables buffering in nginx, which would delay events
    response.call_on_close(open.close)  # also if the response is never iterated
    return response
