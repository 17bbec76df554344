"""Span export: the provider that OTEL_* asks for, or the one already installed."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import Any

from opentelemetry import trace

from ... import __version__
from ...logs import get_logger

log = get_logger(__name__)

#: OpenTelemetry's names of the OTLP exporters, by OTEL_EXPORTER_OTLP_PROTOCOL
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_CURE = "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"


def provider(role: str) -> trace.TracerProvider | None:
    """Create this process's provider, named `callboard-<role>` unless OTEL_SERVICE_NAME is set; None, with the cure in the log, if it cannot."""
    there = trace.get_tracer_provider()
    if not isinstance(there, trace.ProxyTracerProvider):
        return there
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.error("tracing_is_off", why="OTEL_* asks for spans, and opentelemetry-sdk is not installed", cure=_CURE)
        return None
    exporter = _exporter()
    if exporter is None:
        return None
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"callboard-{role}"}
    resource = Resource.create({**named, "service.version": __version__})
    tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)  # its exit hook would wait for a collector that hangs
    tracer_provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(tracer_provider)
    return tracer_provider


def _exporter() -> Any:
    wanted = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    if wanted == "otlp":
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
        wanted = _OTLP.get(protocol, protocol)
    found = [one for one in entry_points(group="opentelemetry_traces_exporter") if one.name == wanted]
    if not found:
        log.error(
            "tracing_is_off", why=f"there is no exporter {wanted!r} of spans", cure=f"install its package; for OTLP over HTTP: {_CURE}"
        )
        return None
    return found[0].load()()
