"""Security headers of every response: CSP for own files only, no framing, no MIME sniffing."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, request, url_for

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def init(app: Flask) -> None:
    """Install the headers on every response, and `asset()` in every template."""
    app.after_request(_add)
    app.jinja_env.globals["asset"] = asset


def asset(filename: str) -> str:
    """The versioned URL of a static file, so that browsers can cache it forever."""
    return _address(filename, request.script_root)


@lru_cache(maxsize=256)
def _address(filename: str, _prefix: str) -> str:
    """Build the URL once for each prefix: a page names dozens of icons."""
    version = hashlib.sha256(Path(current_app.static_folder or "", filename).read_bytes()).hexdigest()[:10]
    return url_for("static", filename=filename, v=version)


def _add(response: Response) -> Any:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint == "static" and "v" in request.args:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    elif request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
