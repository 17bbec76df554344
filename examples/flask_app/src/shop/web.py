"""The shop's Flask application, with the console under /background: `flask --app src.shop.web run`."""

from __future__ import annotations

import callboard
import callboard.web
from callboard.jobs import submit
from flask import Flask, abort, request
from flask.typing import ResponseReturnValue
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from .jobs import pack
from .models import Order, Session

app = Flask(__name__)


@app.post("/orders")
def order() -> ResponseReturnValue:
    """Store the order and its job in one transaction: both exist, or neither."""
    with Session.begin() as session:
        placed = Order(article=request.form["article"], pieces=int(request.form["pieces"]))
        session.add(placed)
        session.flush()  # the order gets its id
        job = submit(session, pack.message(placed.id))
        if placed.pieces < 1:
            abort(400, "at least one piece")  # rolls back the order and the job
        return {"order": placed.id, "job": job.id}, 201


@app.get("/orders/<int:id>")
def show(id: int) -> ResponseReturnValue:
    with Session() as session:
        found = session.get(Order, id)
        return {"state": found.state} if found else ({}, 404)


@app.get("/jobs/<id>")
def result(id: str) -> ResponseReturnValue:
    """Wait for the job's result."""
    handle = callboard.job(id)
    return {"result": handle.wait(timeout=30), "state": handle.state}


app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/background": callboard.web.create_app()})  # type: ignore[method-assign]
