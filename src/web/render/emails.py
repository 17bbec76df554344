"""Emails in a browser: untrusted HTML in a sandboxed frame, attachments as downloads."""

from __future__ import annotations

import re
from urllib.parse import quote

from flask import Response, make_response, render_template
from werkzeug.exceptions import NotFound

from ...mail import reading
from ..http.responses.headers import CONTENT_SECURITY_POLICY

#: no scripts, requests, forms or cookies; only text, inline styles and embedded images. Links open in a new tab
_FRAME_POLICY = "; ".join(
    (
        "sandbox allow-popups allow-popups-to-escape-sandbox",
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        "form-action 'none'",
        "base-uri 'none'",  # an email's own <base> must not lead its links elsewhere
        "frame-ancestors 'self'",
    )
)
#: start of an email's <head>, explicit or implied
_START = re.compile(r"""(?:\s|<!--.*?-->|<(?:!doctype|html|head)\b(?:[^>"']|"[^"]*"|'[^']*')*>)*""", re.IGNORECASE | re.DOTALL)
_BASE = re.compile(r"<base\b[^<>]*>", re.IGNORECASE)  # excludes `<`, else matching is quadratic; `base-uri` blocks the rest
#: Links open in a new tab. The page cannot style keyboard focus inside the frame (:focus never matches a frame), so the email
#: itself becomes focusable and shows an outline. A second <html> tag adds its attribute to the first.
FRAME_HEAD = (
    '<html tabindex="0"><base target="_blank"><style>'
    'html:focus-visible { outline: none } html:focus-visible::after { content: ""; position: fixed; inset: 0; z-index: 2147483647; '
    "pointer-events: none; outline: 3px solid #1f4fbf; outline-offset: -3px; box-shadow: inset 0 0 0 5px #fff }</style>"
)
#: content types served as declared; everything else is application/octet-stream
_PLAIN_TYPES = frozenset({"application/pdf", "text/csv", "text/plain", "image/png", "image/jpeg"})


def page(template: str, raw: bytes | None, **values: object) -> Response:
    """Render a page with an email; its CSP allows the frame."""
    response = make_response(render_template(template, email=reading.read(_there(raw)), **values))
    response.headers["Content-Security-Policy"] = f"{CONTENT_SECURITY_POLICY}; frame-src 'self'"
    return response


def frame(raw: bytes | None) -> Response:
    """The email's HTML for the frame."""
    html = reading.read(_there(raw)).html
    if html is None:
        raise NotFound("This email has no HTML part.")
    html = _BASE.sub("", html)
    start = _START.match(html)
    assert start is not None
    response = Response(html[: start.end()] + FRAME_HEAD + html[start.end() :], mimetype="text/html")
    response.headers["Content-Security-Policy"] = _FRAME_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def part(raw: bytes | None, number: int) -> Response:
    """Download an attachment."""
    found = reading.attachment(_there(raw), number)
    if found is None:
        raise NotFound("No such attachment.")
    about, content = found
    return download(content, about.filename, about.content_type if about.content_type in _PLAIN_TYPES else "application/octet-stream")


def whole(raw: bytes | None, name: str) -> Response:
    """Download the raw email, for a mail program."""
    return download(_there(raw), f"{name}.eml", "application/octet-stream")


def download(content: bytes, filename: str, content_type: str) -> Response:
    """A download of bytes under a name, never rendered on this origin."""
    response = Response(content, content_type=content_type)
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", filename) or "file"
    response.headers["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def _there(raw: bytes | None) -> bytes:
    if raw is None:
        raise NotFound("No such email; it may have been deleted by retention.")
    return raw
