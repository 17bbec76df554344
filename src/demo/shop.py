"""Actors of the demo shop: some 200 jobs an hour, of which three in a hundred fail, in two ways."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import Annotated

import dramatiq
from pydantic import Field, SecretStr
from sqlalchemy import select

from ..actors.mail import post
from ..actors.publishing import report
from ..formats.quantities import counted
from ..jobs import Workflow, current_job, submit
from ..jobs.core.models import Job
from ..jobs.core.states import State
from ..mail.letters import Letter
from ..reports.document import Chart, Document, Figure, Figures, Series
from ..schedules import cron
from ..sql.clock import now
from ..sql.database import read
from . import goods

#: seconds between two ticks, and the most orders that one takes
BETWEEN_S = 120
MOST = 3
#: sizes of a photo in the shop
WIDTHS = (320, 640, 1280)


class CardDeclined(Exception):
    """The bank refuses a payment; trying again by itself would not help."""


class CarrierTimeout(Exception):
    """The carrier did not answer in time; the next attempt usually succeeds."""


def number_of(slot: int, order: int) -> int:
    """The number of an order of a tick: numbers count on with the clock, in history and afterwards."""
    return slot * MOST + order


@dramatiq.actor(queue_name="shop", periodic=cron("*/2 * * * *", overlap="skip"), transactional=True, max_retries=0)
def serve_customers() -> dict[str, list[int]]:
    """Take the newest orders, and hand each on as a workflow."""
    slot = int(now().timestamp()) // BETWEEN_S
    orders = [number_of(slot, order) for order in range(random.choice((1, 1, 1, 2)))]
    for number in orders:
        order_workflow(number).submit(current_job.session)
        submit(current_job.session, resize_photo.message(goods.photo(number), WIDTHS[number % len(WIDTHS)]))
    return {"orders": orders}


def order_workflow(number: int) -> Workflow:
    """The steps of an order: stock, payment, then parcel and receipt side by side."""
    order = goods.order(number)
    workflow = Workflow(f"order {number}")
    stock = workflow.step(check_stock.message(number, order.items))
    paid = workflow.step(charge_card.message(number, order.cents, f"4000 0000 {number}"), after=[stock])  # type: ignore[arg-type]  # a text is sealed when it is submitted
    workflow.step(pack_order.message(number, order.city), after=[paid])
    workflow.step(send_receipt.message(number, order.email), after=[paid])
    return workflow


@dramatiq.actor(queue_name="shop")
def check_stock(order: int, items: dict[str, int]) -> dict[str, int]:
    """Reserve the items of an order."""
    time.sleep(random.uniform(0.05, 0.3))
    print(f"order {order}: reserved {sum(items.values())} pieces")
    return items


@dramatiq.actor(queue_name="payments", rate_limit="60/m", throws=(CardDeclined,))
def charge_card(order: int, cents: Annotated[int, Field(gt=0, title="Amount in cents")], card: SecretStr) -> dict[str, int | str]:
    """Charge the card of a customer. The bank declines some, until an operator retries."""
    time.sleep(random.uniform(0.2, 0.8))
    if goods.order(order).is_declined and current_job.attempt == 1:
        raise CardDeclined(f"order {order}: the bank declined the card")
    return {"order": order, "cents": cents, "customer": goods.order(order).customer}


@dramatiq.actor(queue_name="parcels", concurrency=2, max_retries=3, min_backoff=20_000)
def pack_order(order: int, city: str) -> dict[str, int | str]:
    """Pack an order, and hand it over to the carrier."""
    pieces = sum(goods.order(order).items.values())
    for done in range(pieces):
        time.sleep(random.uniform(0.5, 1.5))
        current_job.progress(done + 1, pieces, f"packed {done + 1} of {pieces}")
    if goods.order(order).is_unanswered and current_job.attempt == 1:
        raise CarrierTimeout(f"order {order}: no answer from the carrier within 10 s")
    print(f"order {order}: handed over for {city}")
    return {"order": order, "parcel": order * 7, "city": city}


@dramatiq.actor(queue_name="mail", transactional=True)
def send_receipt(order: int, email: str) -> dict[str, str]:
    """Mail the receipt of an order."""
    bought = goods.order(order)
    lines = [f"{pieces} × {article}: {pieces * goods.PRICES[article] / 100:.2f} €" for article, pieces in bought.items.items()]
    text = f"Dear {bought.customer},\n\nthank you for order {order}:\n\n" + "\n".join(lines) + f"\n\nTotal: {bought.cents / 100:.2f} €"
    return {"mail": post(current_job.session, Letter(to=[email], subject=f"Your order {order}", text=text))}


@dramatiq.actor(queue_name="photos")
def resize_photo(photo: str, width: Annotated[int, Field(ge=16, le=4000)] = 640) -> dict[str, str | int]:
    """Make a smaller copy of a photo."""
    for done in range(5):
        time.sleep(random.uniform(0.1, 0.4))
        current_job.progress(done + 1, 5, f"tile {done + 1} of 5")
    return {"photo": photo, "width": width}


@report(queue_name="reports", periodic=cron("0 18 * * *"))
def sales_report(days: Annotated[int, Field(ge=1, le=31, title="Days")] = 7) -> Document:
    """Report the sales of the last days."""
    begin = now() - timedelta(days=days)
    totals: dict[str, int] = {f"{begin + timedelta(days=day):%d %b}": 0 for day in range(1, days + 1)}
    with read() as session:
        paid = select(Job.finished_at, Job.result).where(Job.actor == "charge_card", Job.state == State.SUCCEEDED, Job.finished_at >= begin)
        for finished_at, result in session.execute(paid):
            day = f"{finished_at:%d %b}"
            totals[day] = totals.get(day, 0) + int(result["cents"])
    euros = sum(totals.values()) / 100
    return Document(
        title="Sales",
        summary=f"Sales: {euros:,.0f} € in {counted(days, 'day')}",
        period=counted(days, "day"),
        made_at=now(),
        blocks=(
            Figures(figures=(Figure(label="sales", value=f"{euros:,.0f} €"), Figure(label="a day", value=f"{euros / days:,.0f} €"))),
            Chart(
                title="Sales per day",
                unit="€",
                labels=tuple(totals),
                series=(Series(name="sales", values=tuple(cents // 100 for cents in totals.values())),),
            ),
        ),
    )
