"""The shop's own tables, engine and sessions; nothing here knows Callboard. `python -m src.shop.models` creates the tables."""

from __future__ import annotations

import asyncio
import os

from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    article: Mapped[str]
    pieces: Mapped[int]
    state: Mapped[str] = mapped_column(default="new")


class Job(Base):
    """An open position; the shop had a table of this name before Callboard came."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


engine = create_async_engine(os.environ["SHOP_DATABASE_URL"])
Session = async_sessionmaker(engine)


async def create_tables() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(create_tables())
