"""Path segments: ids and names of any text stay one segment of the URL path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Flask
from werkzeug.routing import IntegerConverter, Map, UnicodeConverter

from ....formats.url_segments import escape, unescape

#: encoded slash, which servers decode before routing
_QUOTED_SLASH = re.compile("%2f", re.IGNORECASE)
#: absolute-form request line, as sent to proxies
_BEFORE_PATH = re.compile("^https?://[^/]*", re.IGNORECASE)
_QUOTED_DOTS = re.compile(r"(?<=/)(?:%2e|\.)+(?=/|$)", re.IGNORECASE)


class Segment(UnicodeConverter):
    """URL converter `<name>`: any text, including slashes and `..`."""

    def to_python(self, value: str) -> str:
        return unescape(value)

    def to_url(self, value: Any) -> str:
        return super().to_url(escape(str(value)))


class Number(IntegerConverter):
    """URL converter `<int:name>`: numbers that a database can hold; a larger one names nothing."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=2**63 - 1)


class QuotedSegments:
    """WSGI middleware: keep a percent-encoded slash inside its segment."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raw = environ.get("RAW_URI") or environ.get("REQUEST_URI", "")  # gunicorn's name, and waitress's
        if _QUOTED_SLASH.search(raw) or "%2e" in raw.lower():
            path = _QUOTED_SLASH.sub("~2F", _BEFORE_PATH.sub("", raw).partition("?")[0])
            path = _QUOTED_DOTS.sub(lambda found: "~2E" * len(unquote_to_bytes(found[0])), path)
            prefix = environ.get("SCRIPT_NAME", "")
            environ["PATH_INFO"] = unquote_to_bytes(path.removeprefix(prefix).encode("latin-1")).decode("latin-1")
        return self._app(environ, start_response)  # type: ignore[no-any-return]


def init(app: Flask) -> None:
    """Install the converter and the middleware; call before any route is added."""
    app.url_map.converters["int"] = Number
    app.url_map.converters["default"] = app.url_map.converters["string"] = Segment
    app.wsgi_app = QuotedSegments(app.wsgi_app)  # type: ignore[method-assign]
