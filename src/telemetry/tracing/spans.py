"""Spans along a job's path: the request, its submission, each attempt. Names and attributes follow OpenTelemetry's conventions.

Span names have few values (an operation and a queue, a method and a route); values of high cardinality (a job's id) are
attributes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracerProvider, Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

#: always W3C trace context, whatever the process around us propagates: rows outlive deployments
_W3C = TraceContextTextMapPropagator()

Carrier = dict[str, str]

#: seconds that an ending process waits for its last spans to be exported
FLUSH_S = 3.0


class Sent(Protocol):
    """A submission as tracing sees it: its message, and the trace context it was requested in if not the current one."""

    @property
    def message(self) -> Any: ...
    @property
    def trace(self) -> Mapping[str, str] | None: ...


class Claimed(Protocol):
    """A claimed job as tracing sees it."""

    @property
    def id(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def attempt(self) -> int: ...


class Spans:
    """Makes the spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("callboard")

    @classmethod
    def of_another_process(cls, carrier: Mapping[str, str]) -> Spans:
        """Make no own spans: submissions from here belong to the span that `carrier` names."""
        context.attach(_W3C.extract(carrier))
        return cls(NoOpTracerProvider())

    def flush(self) -> None:
        """Flush finished spans, with a timeout: a collector that hangs must not keep a process from exiting."""
        flush = getattr(self._provider, "force_flush", None)  # only the SDK's provider has it
        if flush is not None:
            sending = threading.Thread(target=flush, name="last spans", daemon=True)
            sending.start()
            sending.join(FLUSH_S)

    def carrier(self) -> Carrier:
        """The current trace context in its wire format; empty if there is none."""
        carrier: Carrier = {}
        _W3C.inject(carrier)
        return carrier

    def facts(self) -> Mapping[str, str]:
        """Return the trace fields of a log line written here."""
        current = trace.get_current_span().get_span_context()
        if not current.is_valid:
            return {}
        return {"trace_id": trace.format_trace_id(current.trace_id), "span_id": trace.format_span_id(current.span_id)}

    @contextmanager
    def sending(self, submissions: Sequence[Sent]) -> Iterator[list[Carrier]]:
        """Open producer spans for these submissions, one per queue and parent; yield the context that each message carries."""
        spans: dict[tuple[str, str], Span] = {}
        counts: dict[tuple[str, str], int] = {}
        carried = []
        for one in submissions:
            parent = one.trace or self.carrier() or one.message.options
            key = one.message.queue_name, str(parent.get("traceparent", ""))
            if key not in spans:
                spans[key] = self._send(one, _W3C.extract(_texts(parent), Context()))
            counts[key] = counts.get(key, 0) + 1
            carrier: Carrier = {}
            _W3C.inject(carrier, trace.set_span_in_context(spans[key], Context()))
            carried.append(carrier)
        try:
            for key, count in counts.items():
                if count > 1:
                    spans[key].set_attribute("messaging.batch.message_count", count)
            yield carried
        except BaseException as error:
            for span in spans.values():
                _fail(span, error)
            raise
        finally:
            for span in spans.values():
                span.end()

    def _send(self, one: Sent, parent: Context) -> Span:
        message = one.message
        attributes = {
            **_messaging("send", message.queue_name),
            "callboard.actor": message.actor_name,
            "messaging.message.id": message.message_id,
        }
        return self._tracer.start_span(f"send {message.queue_name}", parent, SpanKind.PRODUCER, attributes)

    def attempt(self, claimed: Claimed, options: Mapping[str, Any], worker: str, call: Callable[[], Any]) -> Any:
        """Run `call` in the consumer's span of one attempt, a child of the submission's; return its result: the attempt's end, or None."""
        attributes = {
            **_messaging("process", claimed.queue),
            "messaging.message.id": claimed.id,
            "messaging.client.id": worker,
            "callboard.actor": claimed.actor,
            "callboard.attempt": claimed.attempt,
        }
        parent = _W3C.extract(_texts(options), Context())
        sent = trace.get_current_span(parent).get_span_context()
        links = [trace.Link(sent)] if sent.is_valid else []
        span = self._tracer.start_span(f"process {claimed.queue}", parent, SpanKind.CONSUMER, attributes, links)
        with trace.use_span(span, end_on_exit=True, record_exception=True, set_status_on_exception=True):
            finished = call()
            _tell_end(span, finished)
            return finished

    @contextmanager
    def step(self, name: str, **attributes: str) -> Iterator[None]:
        """Open a span for internal work, such as a schedule's tick."""
        with self._tracer.start_as_current_span(name, attributes={f"callboard.{key}": value for key, value in attributes.items()}):
            yield

    def serve(self, method: str, path: str, scheme: str, headers: Mapping[str, str]) -> Request:
        """Open a server span for one request, a child of the caller's span if the headers name one."""
        attributes = {"http.request.method": method, "url.path": path, "url.scheme": scheme}
        span = self._tracer.start_span(method, _W3C.extract(headers, Context()), SpanKind.SERVER, attributes)
        return Request(span, method)


class Request:
    """The span of one request while it is answered."""

    def __init__(self, span: Span, method: str) -> None:
        self._span = span
        self._method = method
        self._token = context.attach(trace.set_span_in_context(span))

    def route(self, rule: str) -> None:
        """Record the route that matched: `/jobs/<id>`."""
        self._span.update_name(f"{self._method} {rule}")
        self._span.set_attribute("http.route", rule)

    def failed(self, error: BaseException) -> None:
        """Record an unhandled exception."""
        _fail(self._span, error)

    def answered(self, status: int) -> None:
        """Record the start of the response."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """Detach the span in the thread that opened it."""
        context.detach(self._token)
        self._span.end()


def _messaging(operation: str, queue: str) -> dict[str, Any]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": queue,  # the default exchange, whose routing key is the queue
        "messaging.rabbitmq.destination.routing_key": queue,
    }


def _tell_end(span: Span, finished: Any) -> None:
    if finished is None:  # its own transaction has committed the end, so it succeeded
        span.set_attribute("callboard.outcome", "succeeded")
        return
    span.set_attribute("callboard.outcome", finished.outcome.value)
    span.set_attribute("callboard.state", finished.state.value)
    if finished.outcome.value != "failed":
        return
    line = finished.error or ""
    kind, _, message = line.partition(": ")
    span.set_attribute("error.type", kind)
    details = {"exception.type": kind, "exception.message": message, "exception.stacktrace": finished.traceback or ""}
    span.add_event("exception", details, time.time_ns())
    span.set_status(Status(StatusCode.ERROR, line))


def _fail(span: Span, error: BaseException) -> None:
    span.record_exception(error)
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(Status(StatusCode.ERROR, str(error)))


def _texts(options: Mapping[str, Any]) -> Carrier:
    """Return the message options that may hold a trace context; an invalid one, whatever wrote it, must not end an attempt."""
    return {name: options[name] for name in ("traceparent", "tracestate") if isinstance(options.get(name), str)}
