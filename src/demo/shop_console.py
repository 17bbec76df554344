"""The demo shop's own views in the console: a card for an order, a tab, and links into the shop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from ..console import JobView, Markup, actor_tab, job_tab, link, renderer
from ..jobs.core.models import Job
from ..sql.database import read
from . import goods

#: jobs of an order shown in its tab
MOST = 20
OF_AN_ORDER = ("check_stock", "charge_card", "pack_order", "send_receipt")

link("https://shop.example/orders/{order}", *OF_AN_ORDER, label="Order {order} in the shop")


@renderer("check_stock", argument="items")
def items(value: Mapping[str, int], job: JobView) -> Markup:
    """The items of an order as a table, with their prices."""
    line = Markup("<tr><td>{}</td><td class='number'>{} ×</td><td class='number'>{:.2f} €</td></tr>")
    rows = Markup("").join(line.format(article, pieces, goods.PRICES.get(article, 0) / 100) for article, pieces in value.items())
    return Markup("<div class='scroll'><table><caption class='unseen'>Items</caption><tbody>{}</tbody></table></div>").format(rows)


@renderer("charge_card")
def payment(value: Mapping[str, Any], job: JobView) -> Markup:
    """A payment in words."""
    return Markup("<p><strong>{:.2f} €</strong> from {} for order {}</p>").format(value["cents"] / 100, value["customer"], value["order"])


@job_tab("Order", *OF_AN_ORDER)
def order_tab(job: JobView) -> Markup:
    """The customer and the items of the job's order."""
    order = goods.order(int(job.arguments["order"]))
    lines = Markup("").join(Markup("<li>{} × {}</li>").format(pieces, article) for article, pieces in order.items.items())
    return Markup("<p>{} in {}, {:.2f} €</p><ul>{}</ul>").format(order.customer, order.city, order.cents / 100, lines)


@actor_tab("Declined cards", "charge_card")
def declined(actor: str) -> Markup:
    """The newest payments that failed."""
    with read() as session:
        newest = select(Job).where(Job.actor == actor, Job.error.is_not(None)).order_by(Job.seq.desc()).limit(MOST)
        found = session.execute(newest).scalars().all()
    lines = Markup("").join(Markup("<li><a href='/jobs/{}'>{}</a></li>").format(job.id, job.error) for job in found)
    return Markup("<ul>{}</ul>").format(lines) if found else Markup("<p>None.</p>")
