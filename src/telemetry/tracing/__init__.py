"""Tracing: OpenTelemetry spans from the request that submits a job to each attempt that runs it.

The law of this room: it alone knows OpenTelemetry, which is not even imported until an exporter is configured.
`active()` is None then, and other rooms check nothing else. OpenTelemetry's own OTEL_* variables switch it on
(docs/how-to/tracing.md).
"""

from __future__ import annotations

import atexit
import importlib
import os
import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from ...logs import add_facts, get_logger

if TYPE_CHECKING:
    from .spans import Spans

log = get_logger(__name__)

#: any of these switches tracing on
_SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
#: the message option that carries a job's trace context, and its format
TRACEPARENT = "traceparent"
_W3C = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

_active: Spans | None = None


def active() -> Spans | None:
    """Return the tracer of this process; None: tracing is off."""
    return _active


def is_wanted() -> bool:
    """True if the environment or an instrumentation around this process asks for tracing."""
    return _active is not None or _is_configured() or _is_instrumented()


def start(role: str) -> Spans | None:
    """Start tracing if the environment or an instrumentation around this process asks for it. Safe to call again."""
    if _active is not None or not is_wanted():
        return _active
    from . import exporting  # here: processes without tracing import nothing
    from .spans import Spans

    provider = exporting.provider(role)
    if provider is not None:
        _activate(Spans(provider))
        atexit.register(stop)
    return active()


def carrier() -> dict[str, str]:
    """The current trace context in its wire format; empty while tracing is off."""
    return {} if _active is None else _active.carrier()


def step(name: str, **attributes: str) -> AbstractContextManager[None]:
    """Open a span for internal work, such as a schedule's tick; does nothing while tracing is off."""
    return nullcontext() if _active is None else _active.step(name, **attributes)


def prepare() -> None:
    """Import what each child would, before children are forked."""
    if _is_configured():
        importlib.import_module(f"{__name__}.spans")


def join(carrier: Mapping[str, str]) -> None:
    """In a child process: continue the attempt's span, which the worker process owns."""
    if carrier:
        from .spans import Spans  # here, as above

        _activate(Spans.of_another_process(carrier))


def stop() -> None:
    """Stop tracing and flush the spans made so far."""
    if _active is not None:
        _active.flush()
    _activate(None)


def trace_id(options: Any) -> str | None:
    """Return the trace id of a job with these message options."""
    found = _W3C.fullmatch(str(options.get(TRACEPARENT))) if isinstance(options, Mapping) else None
    return None if found is None else found[1]


def _activate(spans: Spans | None) -> None:
    global _active  # one in a process
    _active = spans
    add_facts(None if spans is None else spans.facts)


def _is_configured() -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none":
        return False
    return any(os.environ.get(name) for name in _SWITCHES)


def _is_instrumented() -> bool:
    """True if OpenTelemetry has been set up before us, as `opentelemetry-instrument` does."""
    trace = sys.modules.get("opentelemetry.trace")
    return trace is not None and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
