"""Exposition: gauges that another room has read from SQL, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric as Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

Samples = Iterable[tuple[Mapping[str, str], float]]


class _Collected(Collector):
    """Metrics that have been collected already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def gauge(name: str, help: str, samples: Samples) -> Metric:
    """Return a gauge with its value for each set of labels."""
    metric = Metric(name, help, "gauge")
    for labels, value in samples:
        metric.add_sample(name, dict(labels), value)
    return metric


def written(metrics: Iterable[Metric]) -> bytes:
    """Write the metrics in the format that CONTENT_TYPE names."""
    return generate_latest(_Collected(metrics))
