"""Tracing: OpenTelemetry spans from the request that submits a job to each attempt that runs it.

The law of this room: it alone knows OpenTelemetry, and while nothing says where spans go it is not even imported. `active()` is
None then, and that is all that the other rooms ask. It is switched on by OpenTelemetry's own OTEL_* variables (docs/how-to/tracing.md).
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

#: one of these says that somebody wants spans
_WISHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
#: the message option that carries a job's place in its trace, and what it looks like
TRACEPARENT = "traceparent"
_W3C = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

_active: Spans | None = None


def active() -> Spans | None:
    """What makes spans in this process; None: nobody wants any."""
    return _active


def start(role: str) -> Spans | None:
    """Make spans from here on, if the environment or an instrumentation around this process wants them. Safe to call again."""
    global _active
    if _active is not None or not (_is_wished() or _is_instrumented()):
        return _active
    from . import exporting  # here: whoever wants no spans has nothing to import
    from .spans import Spans

    provider = exporting.provider(role)
    if provider is not None:
        _activate(Spans(provider))
        atexit.register(stop)
    return _active


def carrier() -> dict[str, str]:
    """The current place in a trace, as it travels; empty where nobody wants any spans."""
    return {} if _active is None else _active.carrier()


def step(name: str, **attributes: str) -> AbstractContextManager[None]:
    """A span of this house's own inner work, as a tick of a schedule is; nothing where nobody wants any."""
    return nullcontext() if _active is None else _active.step(name, **attributes)


def prepare() -> None:
    """Before the processes of single attempts are forked: import what each of them would."""
    if _is_wished():
        importlib.import_module(f"{__name__}.spans")


def join(carrier: Mapping[str, str]) -> None:
    """In the process of one attempt: belong to the attempt's span, which the worker keeps."""
    if carrier:
        from .spans import Spans  # here, as above

        _activate(Spans.of_another_process(carrier))


def stop() -> None:
    """Make no more spans; what has been made is sent off."""
    global _active
    if _active is not None:
        _active.flush()
    _active = None
    add_facts(None)


def trace_id(options: Any) -> str | None:
    """The trace that a job with these message options belongs to."""
    found = _W3C.fullmatch(str(options.get(TRACEPARENT))) if isinstance(options, Mapping) else None
    return None if found is None else found[1]


def _activate(spans: Spans) -> None:
    global _active
    _active = spans
    add_facts(spans.facts)


def _is_wished() -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none":
        return False
    return any(os.environ.get(name) for name in _WISHES)


def _is_instrumented() -> bool:
    """Has somebody set OpenTelemetry up before us, as `opentelemetry-instrument` does?"""
    trace = sys.modules.get("opentelemetry.trace")
    return trace is not None and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
