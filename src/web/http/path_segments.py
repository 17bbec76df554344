"""Ids and names in addresses: whatever text they are, each is one segment of the path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Flask
from werkzeug.routing import UnicodeConverter

from ...url_segments import escape, unescape

#: what clients that percent-encode an id by themselves send of it, and servers decode before the path is matched
_QUOTED_SLASH = re.compile("%2f", re.IGNORECASE)
#: a request may name its server in its first line, as those to a proxy do
_BEFORE_PATH = re.compile("^https?://[^/]*", re.IGNORECASE)
_QUOTED_DOTS = re.compile(r"(?<=/)(?:%2e|\.)+(?=/|$)", re.IGNORECASE)


class Segment(UnicodeConverter):
    """`<name>` in a route: any text, also with slashes, or `..`."""

    def to_python(self, value: str) -> str:
        return unescape(value)

    def to_url(self, value: Any) -> str:
        return super().to_url(escape(str(value)))


class QuotedSegments:
    """WSGI middleware: a percent-encoded slash belongs to its segment, as the client has said."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raw = environ.get("RAW_URI", "")
        if _QUOTED_SLASH.search(raw) or "%2e" in raw.lower():
            path = _QUOTED_SLASH.sub("~2F", _BEFORE_PATH.sub("", raw).partition("?")[0])
            path = _QUOTED_DOTS.sub(lambda found: "~2E" * len(unquote_to_bytes(found[0])), path)
            prefix = environ.get("SCRIPT_NAME", "")
            environ["PATH_INFO"] = unquote_to_bytes(path.removeprefix(prefix).encode("latin-1")).decode("latin-1")
        return self._app(environ, start_response)  # type: ignore[no-any-return]


def init(app: Flask) -> None:
    """Read and write addresses so; before any route is added."""
    app.url_map.converters["default"] = app.url_map.converters["string"] = Segment
    app.wsgi_app = QuotedSegments(app.wsgi_app)  # type: ignore[method-assign]
