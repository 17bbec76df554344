"""A span for each request, where somebody wants spans: named by its route, a child of the caller's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from ...operations.jobs.rows import Job
from ...settings import get_settings
from ...telemetry import tracing

if TYPE_CHECKING:  # it imports OpenTelemetry, which who wants no spans does without
    from ...telemetry.tracing.spans import Request

_REQUEST = "callboard.traced"
#: what is asked every few seconds by machines, and files: they would be most of all spans, and tell nothing
_UNTRACED = ("/healthz", "/readyz", "/metrics", "/static/")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def init(app: Flask) -> None:
    """Put spans around the requests of this application; without tracing it stays unchanged."""
    if tracing.start("web") is None:
        return
    app.wsgi_app = _around(app.wsgi_app)  # type: ignore[method-assign, assignment]
    app.before_request(_name)


def failed(error: BaseException) -> None:
    """Note an error that nobody expected on the span of this request."""
    one: Request | None = request.environ.get(_REQUEST)
    if one is not None:
        one.failed(error)


def _around(inner: Application) -> Application:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        spans = tracing.active()
        path = environ.get("PATH_INFO", "")
        if spans is None or path.startswith(_UNTRACED):
            return inner(environ, start_response)
        caller = {"traceparent": environ.get("HTTP_TRACEPARENT", ""), "tracestate": environ.get("HTTP_TRACESTATE", "")}
        one = environ[_REQUEST] = spans.serve(environ["REQUEST_METHOD"], path, environ["wsgi.url_scheme"], caller)

        def note_status(status: str, *rest: Any, **more: Any) -> Any:
            one.answered(int(status.split(" ", 1)[0]))
            return start_response(status, *rest, **more)

        try:
            # Of a stream it covers the time until it begins: how long somebody looked at a page is no work.
            return inner(environ, note_status)
        finally:
            one.end()

    return answer


def _name() -> None:
    one: Request | None = request.environ.get(_REQUEST)
    if one is not None and request.url_rule is not None:
        one.route(request.url_rule.rule)


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace of a job, and where it can be looked at; "" if that is not known."""

    id: str
    url: str


def trace_of(job: Job) -> Trace | None:
    """What a job's page says of its trace."""
    id = tracing.trace_id(job.options)
    return None if id is None else Trace(id, get_settings().trace_url.replace("{trace_id}", id))
