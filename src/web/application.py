"""The Flask application: registers every page, the API and the request hooks."""

from __future__ import annotations

from flask import Flask

from ..operations.people import sessions
from ..operations.people.roles import Role
from ..settings import get_settings
from ..sql.database import limit_statements
from . import api
from .api.openapi import document
from .api.requests.blueprint import blueprint as api_blueprint
from .auth import access
from .auth import pages as auth_pages
from .http import cookies, health, metrics
from .http.requests import host_names, path_segments, request_spans, time_range, uploads
from .http.responses import compression, errors, headers
from .pages import account, actors, api_docs, count, emails, extension_tabs, mailbox, random_users, reports, schedules, top_bar, workflows
from .pages.admin import audit, backups, configuration, people, sign_ins, tokens, webhooks
from .pages.fleet import alerts, dead_letters, forecasts, overrides, overview, queues, usage, workers
from .pages.jobs import batches, bulk, comparison, error_groups, held, jobs, newer_jobs
from .render import cards, extensions, filters, menu, rail_counts
from .render.graphics import time_charts
from .render.menu import Menu, Page

#: bytes of a request body; a bulk request holds many jobs of up to max_message_bytes each
MAX_BODY_BYTES = 32 * 1024 * 1024


#: every page in menu order; a page without a label has no menu entry
PAGES = (
    Page(overview, "Overview", view="show"),
    Page(actors, "Actors", parts=("tabs.of_actor",)),
    Page(jobs, "Jobs", parts=("comparison", "tabs.of_job")),
    Page(comparison),
    Page(newer_jobs),
    Page(bulk),
    Page(batches),
    Page(error_groups, "Errors"),
    Page(alerts, "Alerts"),
    Page(workflows, "Workflows"),
    Page(schedules, "Schedules"),
    Page(queues, "Queues", parts=("letters",)),
    Page(dead_letters),
    Page(workers, "Workers"),
    Page(usage, "Usage", icon="reports"),
    Page(overrides),
    Page(forecasts),
    Page(held, "Held"),
    Page(reports, "Reports"),
    Page(emails, "Mail", role=Role.OPERATOR, parts=("mailbox",)),
    Page(mailbox),
    Page(people, "Users", menu=Menu.ADMIN),
    Page(tokens, "Tokens", menu=Menu.ADMIN),
    Page(sign_ins, "Sessions", menu=Menu.ADMIN),
    Page(audit, "Audit", menu=Menu.ADMIN),
    Page(webhooks, "Webhooks", menu=Menu.ADMIN),
    Page(backups, "Backups", menu=Menu.ADMIN),
    Page(configuration, "Settings", menu=Menu.ADMIN),
    Page(api_docs, "API", menu=Menu.REFERENCE, view="show", icon="api"),
    Page(random_users, "Users", menu=Menu.EXAMPLES),
    Page(count, "Count", menu=Menu.EXAMPLES, view="show"),
    Page(account),
    Page(top_bar),
    Page(extension_tabs),
    Page(auth_pages),
)


def make() -> Flask:
    """Create the WSGI application; opens no connection."""
    limit_statements(get_settings().statement_timeout)
    app = Flask(__package__)  # package of the templates and static files
    host_names.init(app)
    request_spans.init(app)
    path_segments.init(app)
    app.config.update(
        SECRET_KEY=get_settings().effective_secret_key(),
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=get_settings().max_message_bytes + 64 * 1024,
        MAX_FORM_PARTS=1000,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,  # a stream's response must not overwrite a flash message added meanwhile
        PERMANENT_SESSION_LIFETIME=sessions.SESSION_LIFE,
        WTF_CSRF_TIME_LIMIT=None,
    )
    for part in (cookies, compression, headers, errors, uploads, filters, extensions, time_range, time_charts, access):
        part.init(app)
    menu.init(app, PAGES)
    rail_counts.init(app)
    cards.init(app)
    api.init(app)
    csrf = cookies.protect(app)
    csrf.exempt(api_blueprint)
    for blueprint in (*(page.module.blueprint for page in PAGES), api_blueprint, health.blueprint, metrics.blueprint):
        app.register_blueprint(blueprint)
    app.add_url_rule("/openapi.json", endpoint="openapi", view_func=document.describe)  # the conventional URL for tools
    return app
