"""The session cookie: signed, HttpOnly, SameSite. It holds the session key, the CSRF secret and flash messages."""

from __future__ import annotations

import hashlib

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect


class _Cookie(SecureCookieSessionInterface):
    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def get_cookie_path(self, app: Flask) -> str:
        """Return the prefix of the console: an application beside it must not receive the cookie."""
        return request.script_root or "/"


def init(app: Flask) -> None:
    """Configure the cookie and CSRF protection."""
    # Cookies are shared across ports: a common name would make two Callboards on one host sign each other's users out.
    app.config["SESSION_COOKIE_NAME"] = f"callboard_{hashlib.sha256(app.config['SECRET_KEY'].encode()).hexdigest()[:8]}"
    app.session_interface = _Cookie()


def protect(app: Flask) -> CSRFProtect:
    """Require the CSRF token for every write."""
    return CSRFProtect(app)
