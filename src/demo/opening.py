"""Opening of the demo shop: its history, and a first workflow, batch and report for the workers that start next."""

from __future__ import annotations

from ..actors import broker
from ..actors.reports import daily_operations
from ..importing import complete_imports
from ..jobs import Submission, submit
from ..jobs.batches import batches
from ..jobs.core.envelopes import leave_to_relay, publisher
from ..jobs.submit.submission import new_id
from ..sql.clock import now
from ..sql.database import write
from . import goods, history, shop

#: rows of the batch; its last one has an unreadable width
PHOTOS = 12


def open_shop() -> int:
    """Write the history into an empty database, and submit the first jobs; return the number of jobs, 0 if there were some."""
    complete_imports()
    with publisher.replaced(leave_to_relay):  # RabbitMQ starts later
        number = history.write_history()
        if number:
            with write() as session:
                slot = int(now().timestamp()) // shop.BETWEEN_S
                for order in range(shop.MOST):
                    shop.order_workflow(shop.number_of(slot, order)).submit(session)
                submit(session, broker.get_actor("sales_report").message())
                submit(session, daily_operations.message())
            _batch(new_id())
    return number


def _batch(id: str) -> None:
    good = [
        batches.Row(number, [goods.photo(number), "640"], [], {"photo": goods.photo(number), "width": 640})
        for number in range(2, PHOTOS + 1)
    ]
    bad = batches.Row(PHOTOS + 1, ["cups.jpg", "wide"], problems=[("width", "must be a whole number")])
    with write() as session:
        batches.draft(session, id, actor="resize_photo", name="autumn-photos.csv", header=["photo", "width"], rows=[*good, bad], by="ada")
    with write() as session:
        batches.take(session, id, by="ada")
        jobs = {
            row.number: Submission(shop.resize_photo.message(**dict(row.kwargs or {})), source="form", submitted_by="ada") for row in good
        }
        batches.submit_rows(session, id, jobs)
