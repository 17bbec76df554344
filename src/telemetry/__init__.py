"""Traces and metrics of this process.

The law of this room: only tracing imports OpenTelemetry, only metering imports Prometheus' client; both cost nothing while they are off.
"""
