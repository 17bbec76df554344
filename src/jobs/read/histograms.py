"""Histograms of durations with fixed logarithmic buckets: five to a decade, from a millisecond to eleven days.

Written as `bucket:count` pairs, so that a span without jobs of a duration costs nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterable

#: upper bounds of the buckets, in microseconds; one more bucket has all longer durations
BOUNDS = tuple(round(factor * 1000 * 10**power) for power in range(9) for factor in (1, 1.6, 2.5, 4, 6.3))

#: number of durations in each bucket. A list: a chart adds tens of thousands of counts, which takes half as long again in a Counter
Histogram = list[int]


def empty() -> Histogram:
    return [0] * (len(BOUNDS) + 1)


def bucket_sql(us: str, store: str) -> str:
    """The SQL expression of the bucket of a duration, a column; NULL has none. `store`: sqlite or postgresql."""
    if store == "postgresql":  # counts the bounds that are not greater
        return f"width_bucket({us} - 1, ARRAY[{', '.join(map(str, BOUNDS))}]::bigint[])"
    return f"CASE WHEN {us} IS NOT NULL THEN {_halved(us, 0, len(BOUNDS))} END"


def _halved(us: str, low: int, high: int) -> str:
    if low == high:
        return str(low)
    middle = (low + high) // 2
    return f"CASE WHEN {us} <= {BOUNDS[middle]} THEN {_halved(us, low, middle)} ELSE {_halved(us, middle + 1, high)} END"


def write(histogram: Histogram) -> str:
    """Write a histogram as a text."""
    return " ".join(f"{bucket}:{count}" for bucket, count in enumerate(histogram) if count)


def add(text: str, into: Histogram) -> None:
    """Add a written histogram to another."""
    numbers = map(int, text.replace(":", " ").split())
    for bucket, count in zip(numbers, numbers, strict=True):
        into[bucket] += count


def summed(histograms: Iterable[Histogram]) -> Histogram:
    """Return the sum of histograms."""
    return [sum(counts) for counts in zip(*histograms, strict=True)] or empty()


def quantile(histogram: Histogram, part: float) -> float | None:
    """Estimate a quantile in seconds, by linear interpolation within its bucket; None without a duration."""
    total = sum(histogram)
    if not total:
        return None
    wanted, passed = part * total, 0
    for bucket, count in enumerate(histogram):
        if count and passed + count >= wanted:
            low = BOUNDS[bucket - 1] if bucket else 0
            high = BOUNDS[min(bucket, len(BOUNDS) - 1)]
            return float(max(low, low + (high - low) * (wanted - passed) / count)) / 1_000_000
        passed += count
    return None
