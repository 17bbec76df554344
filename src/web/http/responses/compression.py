"""Gzip compression of pages, styles, scripts and icons; streams, files and API responses stay uncompressed."""

from __future__ import annotations

import gzip
from functools import lru_cache

from flask import Flask, Response, request

#: content types that compress well
_TYPES = frozenset({"text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml"})
#: minimum size in bytes; below it compression saves no packet
_LEAST = 1_000


def init(app: Flask) -> None:
    """Install compression for clients that accept it."""
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if response.mimetype not in _TYPES or request.blueprint == "api" or (response.is_streamed and request.endpoint != "static"):
        return response
    response.vary.add("Accept-Encoding")
    if response.status_code not in (200, 404, 422) or not request.accept_encodings["gzip"] or "Content-Encoding" in response.headers:
        return response
    if request.endpoint == "static":
        if "Range" in request.headers or request.method != "GET":
            return response
        response.direct_passthrough = False
        data = _kept(response.get_data())
        response.headers.pop("ETag", None)  # it identifies the uncompressed bytes
    else:
        data = response.get_data()
        if len(data) < _LEAST:
            return response
        data = gzip.compress(data, 5, mtime=0)
    response.set_data(data)
    response.headers["Content-Encoding"] = "gzip"
    return response


@lru_cache(maxsize=32)
def _kept(data: bytes) -> bytes:
    """A static file, compressed once at the highest level."""
    return gzip.compress(data, 9, mtime=0)
