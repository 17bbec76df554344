"""Actors that SQL submits."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import dramatiq
from pydantic import AfterValidator, BaseModel, Field, SecretStr


class Line(BaseModel):
    """One line of an order."""

    sku: str
    pieces: int = 1


class Order(BaseModel):
    """An order."""

    number: str = Field(pattern="^[0-9]+$")
    lines: list[Line] = Field(min_length=1)
    due: date | None = None
    way: Literal["road", "sea"] = "road"


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


@dramatiq.actor(store_results=True)
def sql_sum(x: int, y: int = 10) -> int:
    return x + y


@dramatiq.actor(store_results=True)
def sql_order(order: Order) -> str:
    line = order.lines[0]
    return f"{order.number} {line.sku} {line.pieces} {type(order.due).__name__} {order.way}"


@dramatiq.actor
def sql_even(x: Annotated[int, AfterValidator(_even)]) -> None:
    pass


@dramatiq.actor
def sql_secret(password: SecretStr) -> None:
    pass
