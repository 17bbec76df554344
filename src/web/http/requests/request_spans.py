"""Tracing: one span per request, named by its route, child of the caller's span."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from ....operations.jobs.rows import Job
from ....settings import get_settings
from ....telemetry import tracing

if TYPE_CHECKING:  # imports OpenTelemetry, which is optional
    from ....telemetry.tracing.spans import Request

_REQUEST = "callboard.traced"
#: probes and static files get no spans: they would outnumber the useful ones
_UNTRACED = ("/healthz", "/readyz", "/metrics", "/static/")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def init(app: Flask) -> None:
    """Install request spans; does nothing without tracing."""
    if tracing.start("web") is None:
        return
    app.wsgi_app = _around(app.wsgi_app)  # type: ignore[method-assign, assignment]
    app.before_request(_name)


def failed(error: BaseException) -> None:
    """Record an unexpected error on the span of this request."""
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
            # The span of a stream ends when it begins: the time a page stays open is not work.
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
    """Id and URL of a job's trace; URL "" if not configured."""

    id: str
    url: str


def trace_of(job: Job) -> Trace | None:
    """The trace link of a job's page."""
    id = tracing.trace_id(job.options)
    return None if id is None else Trace(id, get_settings().trace_url.replace("{trace_id}", id))
