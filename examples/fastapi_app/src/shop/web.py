"""The shop's FastAPI application, with the console under /background: `uvicorn src.shop.web:app`."""

from __future__ import annotations

import callboard
import callboard.web
from a2wsgi import WSGIMiddleware
from callboard.jobs import submit
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import text

from .jobs import pack
from .models import Order, Session

app = FastAPI()


class NewOrder(BaseModel):
    article: str
    pieces: int


@app.post("/orders", status_code=201)
async def order(new: NewOrder) -> dict[str, object]:
    """Store the order and its job in one transaction: both exist, or neither."""
    async with Session.begin() as session:
        placed = Order(article=new.article, pieces=new.pieces)
        session.add(placed)
        await session.flush()  # the order gets its id
        job = await session.run_sync(submit, pack.message(placed.id))
        if placed.pieces < 1:
            raise HTTPException(400, "at least one piece")  # rolls back the order and the job
        return {"order": placed.id, "job": job.id}


@app.get("/orders/{id}")
async def show(id: int) -> dict[str, str]:
    async with Session() as session:
        if (found := await session.get(Order, id)) is None:
            raise HTTPException(404)
        return {"state": found.state}


@app.get("/jobs/{id}")
async def result(id: str) -> dict[str, object]:
    """Wait for the job's result: other requests are served meanwhile."""
    handle = callboard.job(id)
    try:
        return {"result": await handle.wait_async(timeout=30), "state": await handle.state_async()}
    except TimeoutError:
        return {"state": await handle.state_async()}


@app.get("/ready")
async def ready() -> dict[str, bool]:
    """Say that the shop can take orders. Callboard's part of it is /background/readyz."""
    async with Session() as session:
        await session.execute(text("SELECT 1"))
    return {"ready": True}


app.mount("/background", WSGIMiddleware(callboard.web.create_app(), workers=20))
