"""Fixtures of the search room: jobs that stay where they are, and actors whose arguments have names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from src.jobs.core.envelopes import leave_to_relay, publisher
from src.jobs.search import texts


@pytest.fixture(autouse=True)
def no_broker() -> Iterator[None]:
    """These jobs stay where they are."""
    with publisher.replaced(leave_to_relay):
        yield


@pytest.fixture(autouse=True)
def names_of_arguments() -> Iterator[None]:
    """An actor `add` of x and y, one with a secret, and none else."""

    def reading(actor: str | None, args: Any, kwargs: Any) -> dict[str, Any] | None:
        if actor == "hidden":
            return {name: value for name, value in kwargs.items() if name != "password"}
        return {**dict(zip("xyz", args, strict=False)), **kwargs} if actor in ("add", "mul") else None

    with texts.search_fields.replaced(reading):
        yield
