"""Histograms of durations with fixed logarithmic buckets: five to a decade, from a millisecond to eleven days.

Written as `bucket:count` pairs, so that a span without jobs of a duration costs nothing for it.
"""

from __future__ import annotations

from collections import Counter

#: upper bounds of the buckets, in microseconds; one more bucket has all longer durations
BOUNDS = tuple(round(factor * 1000 * 10**power) for power in range(9) for factor in (1, 1.6, 2.5, 4, 6.3))

Histogram = Counter[int]


def bucket_sql(us: str) -> str:
    """The SQL expression of the bucket of a duration; NULL has none."""
    whens = " ".join(f"WHEN {us} <= {end} THEN {number}" for number, end in enumerate(BOUNDS))
    return f"CASE WHEN {us} IS NULL THEN NULL {whens} ELSE {len(BOUNDS)} END"


def write(histogram: Histogram) -> str:
    """Write a histogram as a text."""
    return " ".join(f"{bucket}:{count}" for bucket, count in sorted(histogram.items()) if count)


def add(text: str, into: Histogram) -> None:
    """Add a written histogram to another."""
    numbers = map(int, text.replace(":", " ").split())
    for bucket, count in zip(numbers, numbers, strict=True):
        into[bucket] += count


def quantile(histogram: Histogram, part: float) -> float | None:
    """Estimate a quantile in seconds, by linear interpolation within its bucket; None without a duration."""
    total = histogram.total()
    if not total:
        return None
    wanted, passed = part * total, 0
    for bucket, count in sorted(histogram.items()):
        if passed + count >= wanted:
            low = BOUNDS[bucket - 1] if bucket else 0
            high = BOUNDS[min(bucket, len(BOUNDS) - 1)]
            return float(max(low, low + (high - low) * (wanted - passed) / count)) / 1_000_000
        passed += count
    return None
