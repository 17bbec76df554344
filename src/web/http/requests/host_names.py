"""Refusal of requests whose Host header cannot be a host's name: no address of a page can be built for them."""

from __future__ import annotations

from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest


def init(app: Flask) -> None:
    """Install the check; before every other one, since their error pages contain addresses."""
    app.before_request(_check)


def _check() -> Response | None:
    if isinstance(request.routing_exception, BadRequest):
        return Response("The Host header is not the name of a host.\n", 400, content_type="text/plain; charset=utf-8")
    return None
