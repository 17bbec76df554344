"""The shop's own tests. Their database needs Callboard's tables (README.md), but no RabbitMQ: nothing commits, so nothing is published."""

from django.test import TestCase

from .models import Order
from .tasks import thank


class OrderTests(TestCase):
    def test_an_order_takes_its_job_and_its_task_along(self) -> None:
        with self.captureOnCommitCallbacks() as published:
            placed = self.client.post("/orders", {"article": "tea", "pieces": 2}).json()

        result = thank.get_result(placed["task"])
        assert (result.status, result.args) == ("READY", [placed["order"]])
        assert len(published) == 2

    def test_a_refused_order_leaves_nothing(self) -> None:
        with self.captureOnCommitCallbacks() as published:
            response = self.client.post("/orders", {"article": "tea", "pieces": 0})

        assert response.status_code == 400
        assert not Order.objects.exists()
        assert published == []
