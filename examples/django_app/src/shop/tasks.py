"""The shop's tasks, written for Django's own framework."""

try:
    from django.tasks import task
except ImportError:  # before Django 6.0
    from django_tasks import task

from .models import Order


@task(queue_name="mail", priority=10)
def thank(order_id: int) -> str:
    """Thank for an order."""
    order = Order.objects.get(id=order_id)
    order.thanked = True
    order.save(update_fields=["thanked"])
    return f"thanked for {order.article}"
