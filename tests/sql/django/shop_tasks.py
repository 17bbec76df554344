"""Django's tasks for tests."""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import os

from src.django.frameworks import TaskContext, task


class OutOfStock(Exception):
    pass


@task
def pack(order_id: int, *, gift: bool = False) -> dict[str, object]:
    """Pack an order."""
    return {"order": order_id, "gift": gift}


@task(priority=100, queue_name="mail")
async def greet(name: str) -> str:
    return f"hello {name}"


@task(takes_context=True)
def count_attempts(context: TaskContext, order_id: int) -> list[object]:
    return [order_id, context.attempt, context.task_result.id, context.task_result.status]


@task
def fail(order_id: int) -> None:
    raise OutOfStock(f"no tea for {order_id}")


@task(backend="repeated")
def fail_once(order_id: int) -> int:
    if not os.environ.pop("SHOP_IS_OPEN", None):
        os.environ["SHOP_IS_OPEN"] = "1"
        raise ValueError("closed")
    return order_id
