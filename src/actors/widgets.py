"""Widgets: a table of the application's own, counted and renamed in the background."""

from __future__ import annotations

import dramatiq
from sqlalchemy import Integer, String, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from ..jobs import current_job
from ..sql.columns import Base
from ..sql.database import read


class Widget(Base):
    """A thing with a name."""

    __tablename__ = "widgets"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(140))


@dramatiq.actor
def count_widgets() -> int:
    """Count the widgets."""
    with read() as session:
        return session.execute(select(func.count()).select_from(Widget)).scalar_one()


@dramatiq.actor(transactional=True)
def rename_widget(widget_id: int, name: str) -> None:
    """Give a widget another name."""
    current_job.session.execute(update(Widget).where(Widget.id == widget_id).values(name=name))
