"""The shop's actors. CALLBOARD_ACTORS=src.shop.jobs names this module."""

from __future__ import annotations

import dramatiq
from callboard.jobs import current_job

from .models import Order, Session


@dramatiq.actor(queue_name="shop", fair_by=lambda order_id: order_id % 10)
async def pack(order_id: int) -> str:
    """Pack an order. Safe to repeat: a packed order stays packed."""
    async with Session.begin() as session:
        order = await session.get_one(Order, order_id)
        order.state = "packed"
    return f"{order_id} packed by job {current_job.id}"
