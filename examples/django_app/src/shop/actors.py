"""The shop's actors. CALLBOARD_ACTORS=callboard.django.actors finds this module, as that of each installed application."""

import dramatiq
from callboard.jobs import current_job

from .models import Order


@dramatiq.actor(queue_name="shop", fair_by=lambda order_id: order_id % 10)
def pack(order_id: int) -> str:
    """Pack an order. Safe to repeat: a packed order stays packed."""
    Order.objects.filter(id=order_id).update(state="packed")
    return f"{order_id} packed by job {current_job.id}"
