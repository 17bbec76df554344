"""The console, the forms and the API, in Flask.

The law of this room: a view parses, calls one operation, renders. No table of jobs and no pika here.
Denied by default: a view without a rule (auth/access.py) rejects every request. Pages work without JavaScript.
Importing this module or creating the app opens no connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..importing import uncollected
from ..logs import configure_logs, is_configured

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["create_app"]


def create_app() -> Flask:
    """The WSGI application: `flask --app src.web run`, `gunicorn "src.web:create_app()"`, or mounted in another application."""
    if not is_configured():  # an application that mounts it keeps its logging
        configure_logs()
    with uncollected():
        from . import application  # imported late: commands that submit jobs need the forms but not the pages

    return application.make()
