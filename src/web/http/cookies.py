"""Cookies: the session (signed, HttpOnly, SameSite; session key, CSRF secret, flash messages), and the browser's display preferences."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from flask import Flask, g, has_request_context, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response

from ...configuration import setting_checks
from ...settings import get_settings

THEME, ZONE = "callboard_theme", "callboard_zone"
#: hidden input with the CSRF token of a form
CSRF = "form-csrf_token"
#: seconds that a browser keeps a preference: a year
KEPT_S = 365 * 86400


class Theme(StrEnum):
    """A colour scheme; AUTO follows the system."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


class _Cookie(SecureCookieSessionInterface):
    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def get_cookie_path(self, app: Flask) -> str:
        """Return the prefix of the console: an application beside it must not receive the cookie."""
        return request.script_root or "/"


class _Protection(CSRFProtect):  # type: ignore[misc]
    def _get_csrf_token(self) -> str | None:
        # First by a name that no parameter can have: an actor's own csrf_token would be taken for the form's.
        return request.form.get(CSRF) or super()._get_csrf_token()


def init(app: Flask) -> None:
    """Configure the cookie and CSRF protection."""
    # Cookies are shared across ports: a common name would make two Callboards on one host sign each other's users out.
    app.config["SESSION_COOKIE_NAME"] = f"callboard_{hashlib.sha256(app.config['SECRET_KEY'].encode()).hexdigest()[:8]}"
    app.session_interface = _Cookie()


def protect(app: Flask) -> CSRFProtect:
    """Require the CSRF token for every write."""
    return _Protection(app)


def theme() -> Theme:
    """The colour scheme that this browser has chosen."""
    chosen = request.cookies.get(THEME) if has_request_context() else None
    return Theme(chosen) if chosen in list(Theme) else Theme.AUTO


def zone() -> ZoneInfo:
    """The time zone in which this browser sees times: the one it has chosen, else that of the settings."""
    if not has_request_context():
        return ZoneInfo(get_settings().timezone)
    if "zone" not in g:  # a page writes hundreds of times
        chosen = request.cookies.get(ZONE)
        g.zone = (_zone(chosen) if chosen else None) or ZoneInfo(get_settings().timezone)
    found: ZoneInfo = g.zone
    return found


def prefer(response: Response, name: str, value: str) -> None:
    """Remember a preference in the browser; an empty value forgets it."""
    path = request.script_root or "/"
    if value:
        response.set_cookie(name, value, max_age=KEPT_S, path=path, secure=request.is_secure, httponly=True, samesite="Lax")
    else:
        response.delete_cookie(name, path=path)


@lru_cache(64)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(setting_checks.zone(name))
    except ValueError:
        return None
