"""Quantiles of weighted samples, and of sums of waiting and running times. Pure: no SQL, no clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

#: levels at which a distribution is evaluated to add it to another one
GRID = tuple((number + 0.5) / 24 for number in range(24))
_NORMAL = NormalDist()
_SCORES = {level: _NORMAL.inv_cdf(level) for level in (0.5, 0.9, *GRID)}

Weighted = tuple[float, float]  # a value and its weight


def quantile(samples: Sequence[Weighted], level: float) -> float:
    """Return the smallest value of sorted samples below which so much of the weight lies."""
    wanted = level * math.fsum(weight for _, weight in samples)
    passed = 0.0
    for value, weight in samples:
        passed += weight
        if passed >= wanted - 1e-9:
            return value
    return samples[-1][0]


def mean(samples: Sequence[Weighted]) -> float:
    """Return the weighted mean."""
    return math.fsum(value * weight for value, weight in samples) / math.fsum(weight for _, weight in samples)


def variation(samples: Sequence[Weighted]) -> float:
    """Return the coefficient of variation: standard deviation through mean."""
    middle = mean(samples)
    if middle <= 0:
        return 0.0
    square = math.fsum(weight * (value - middle) ** 2 for value, weight in samples) / math.fsum(weight for _, weight in samples)
    return math.sqrt(square) / middle


def lognormal(middle: float, variance: float, level: float) -> float:
    """Return a quantile of the lognormal distribution with this mean and variance."""
    if middle <= 0:
        return 0.0
    square = math.log1p(variance / middle**2)
    return math.exp(math.log(middle) - square / 2 + math.sqrt(square) * _score(level))


def _score(level: float) -> float:
    return _SCORES[level] if level in _SCORES else _NORMAL.inv_cdf(level)
