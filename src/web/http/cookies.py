"""The one cookie: signed, HttpOnly, SameSite; it carries the browser's session key, its CSRF secret and notices."""

from __future__ import annotations

import hashlib

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect


class _Cookie(SecureCookieSessionInterface):
    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def init(app: Flask) -> None:
    """Name and guard the cookie."""
    # Cookies do not tell ports apart: two Callboards on one host must not sign each other's browsers out.
    app.config["SESSION_COOKIE_NAME"] = f"callboard_{hashlib.sha256(app.config['SECRET_KEY'].encode()).hexdigest()[:8]}"
    app.session_interface = _Cookie()


def protect(app: Flask) -> CSRFProtect:
    """Require the CSRF token for everything that changes something."""
    return CSRFProtect(app)
