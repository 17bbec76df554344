"""Error responses: an HTML page for browsers, problem+json for programs, never a traceback."""

from __future__ import annotations

import difflib
import errno
from contextlib import suppress
from urllib.parse import urlsplit

from flask import Flask, current_app, flash, g, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError, SQLAlchemyError
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
    ServiceUnavailable,
    Unauthorized,
)
from werkzeug.wrappers import Response

from ....jobs.alerts.mutes import UnknownAlert
from ....jobs.batches.batches import UnknownBatch
from ....jobs.core.errors import AmbiguousId, IdempotencyConflict, JobsError, NotAllowed, UnknownActor, UnknownJob
from ....jobs.failures.groups import UnknownGroup
from ....jobs.files.result_files import ResultNotHere
from ....jobs.files.uploads import TooLarge, UploadNotHere
from ....jobs.leases.worker_commands import UnknownWorker
from ....jobs.search import QueryError
from ....jobs.webhooks.webhooks import UnknownWebhook
from ....logs import get_logger
from ....mail.deliveries import UnknownMail
from ....operations.jobs.requests.bulk_request import CountDiffers
from ....operations.people.caller import Forbidden
from ....reports.archive import UnknownReport
from ....schedules.rows.errors import UnknownSchedule
from ....settings import get_settings
from ....sql.outages import is_outage, log_outage, took_too_long
from ...auth import audit_hooks
from ...forms.presets import UnknownPreset
from ..requests import request_spans, uploads
from .problems import Problem, respond

log = get_logger(__name__)

#: Retry-After in seconds while the database is unreachable
RETRY_AFTER_S = 5
_FULL = (errno.ENOSPC, errno.EDQUOT)
_STATUS = {
    UnknownJob: 404,
    UnknownBatch: 404,
    UnknownPreset: 404,
    UnknownSchedule: 404,
    UnknownMail: 404,
    UnknownWorker: 404,
    UnknownReport: 404,
    UnknownActor: 404,
    UnknownGroup: 404,
    ResultNotHere: 404,
    UploadNotHere: 404,
    TooLarge: 413,
    UnknownWebhook: 404,
    UnknownAlert: 404,
    NotAllowed: 409,
    CountDiffers: 409,
    IdempotencyConflict: 409,
    AmbiguousId: 409,
}


def init(app: Flask) -> None:
    """Install the error handlers."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Forbidden, _forbidden)
    app.register_error_handler(JobsError, _jobs)
    app.register_error_handler(SQLAlchemyError, _database)
    app.register_error_handler(OSError, _disk)
    app.register_error_handler(Exception, _unexpected)


def _http(error: HTTPException) -> Response:
    if isinstance(error, Unauthorized) and not _for_program():
        return _to_sign_in()
    if is_refusal(error):
        audit_hooks.refuse(error.description or error.name)
    detail = (
        "This form has expired or was sent from another site. Reload the page, then submit again."
        if isinstance(error, CSRFError)
        else error.description
    )
    if isinstance(error, RequestEntityTooLarge):
        detail = uploads.too_large()
    if isinstance(error, MethodNotAllowed):
        detail = f"{request.method} is not allowed here. Send {' or '.join(sorted({*(error.valid_methods or ())} - {'HEAD', 'OPTIONS'}))}."
    if detail == NotFound.description:
        detail = _no_page()
    response = _answer(Problem(error.code or 500, detail or error.name))
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Bearer realm="callboard"'
    return response


def _no_page() -> str:
    """Name the address that was probably meant."""
    known = [rule.rule for rule in current_app.url_map.iter_rules() if not rule.arguments and "GET" in (rule.methods or ())]
    near = difflib.get_close_matches(request.path.lower().rstrip("/"), known, n=1, cutoff=0.8)
    hint = (
        f" Did you mean {request.script_root}{near[0]}?"
        if near
        else f" {request.script_root}/api/docs lists the API."
        if _for_program()
        else ""
    )
    return f"There is nothing at {request.path!r:.200}.{hint}"


def _forbidden(error: Forbidden) -> Response:
    audit_hooks.refuse(str(error))
    return _answer(Problem(403, str(error)))


def is_refusal(error: HTTPException) -> bool:
    """True if the error is a denial worth an audit entry, not a redirect to the sign-in page."""
    if isinstance(error, Unauthorized):
        return "Authorization" in request.headers
    return isinstance(error, CSRFError) and g.get("visitor") is not None


def _jobs(error: JobsError) -> Response:
    status = _STATUS.get(type(error), 422)
    if isinstance(error, UnknownActor) and request.blueprint == "api" and request.endpoint != "api.call_actor":
        status = 422  # the actor is a field of the body there, not part of the URL
    fields = getattr(error, "located", None) or ({error.field: str(error)} if error.field else {})
    if isinstance(error, QueryError):
        fields = {"q": f"{error} At characters {error.start + 1} to {error.end}."}
    return _answer(Problem(status, str(error), fields))


def _database(error: SQLAlchemyError) -> Response:
    if isinstance(error, DataError):
        # PostgreSQL rejects NUL characters and out-of-range numbers; views do not check for them.
        return _answer(Problem(400, "The request contains a text or number that the database cannot store, e.g. a NUL character."))
    if took_too_long(error):
        log_outage(log, "statement_took_too_long", error, path=request.path)
        why = f"The database took longer than {get_settings().statement_timeout:g} s to answer (CALLBOARD_STATEMENT_TIMEOUT)."
    elif is_outage(error):
        log_outage(log, "database_away", error)
        why = "The database cannot be reached."
    else:
        return _unexpected(error)
    response = _answer(Problem(ServiceUnavailable.code, f"{why} Nothing was changed; try again in a few seconds."))
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _disk(error: OSError) -> Response:
    if error.errno not in _FULL:
        return _unexpected(error)
    log.error("disk_full", path=request.path, method=request.method, file=error.filename)
    what = "The disk of the web process is full: the upload was not stored and no job was submitted."
    return _answer(Problem(507, f"{what} Free space in the data folder (CALLBOARD_DATA_DIR), then try again."))


def _unexpected(error: Exception) -> Response:
    request_spans.failed(error)
    log.error("request_failed", path=request.path, method=request.method, exc_info=error)
    return _answer(Problem(InternalServerError.code, "Internal error in Callboard. See the log of the web process for details."))


def _answer(problem: Problem) -> Response:
    if _for_program():
        return respond(problem)
    g.setdefault("visitor", None)
    return Response(render_template("error.html", problem=problem), problem.status, mimetype="text/html")


def _for_program() -> bool:
    return request.path.startswith(("/api/", "/openapi.json", "/metrics")) and request.path != "/api/docs"


def _to_sign_in() -> Response:
    back = None
    if request.method == "POST":
        with suppress(ValueError):  # the client writes the header
            page = urlsplit(request.referrer or "")
            back = page._replace(scheme="", netloc="", fragment="").geturl() if page.netloc == request.host else None
        flash("Your session has ended, and nothing was sent. Sign in and try again.", "error")
    elif not _by_htmx():
        back = request.script_root + request.full_path.rstrip("?")
    address = url_for("auth.sign_in", next=back or None)
    if _by_htmx():
        return Response(status=204, headers={"HX-Redirect": address})
    return redirect(address, 303)


def _by_htmx() -> bool:
    return "HX-Request" in request.headers
