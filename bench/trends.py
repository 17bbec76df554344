"""Trend of a figure over time: its slope by least squares, over an hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, linear_regression


@dataclass(frozen=True)
class Bound:
    """Growth in an hour that still counts as none: a share of the mean, or an amount if that is more."""

    share: float
    amount: float

    def of(self, values: Sequence[float]) -> float:
        return max(self.share * fmean(values), self.amount)


def slope_per_hour(seconds: Sequence[float], values: Sequence[float]) -> float:
    """Return how much the figure gains in an hour."""
    return linear_regression(seconds, values).slope * 3600
