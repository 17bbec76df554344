"""/api/v1/openapi.json: the API with the arguments of every actor."""

from __future__ import annotations

from flask import Response

from .... import __version__
from ....operations.people.roles import Role
from ...auth import allow
from ...http.json_bodies import answer
from ..requests.blueprint import blueprint
from . import paths, schedule_paths, schemas
from .schemas import Document

_DESCRIPTION = (
    "Submit background jobs and follow them. Errors are application/problem+json: `detail` says how to fix the request, `errors` names each "
    "invalid field. GET responses carry an ETag: send it back as If-None-Match, or as If-Match with an edit. RateLimit gives the remaining "
    "quota of the client; a 429 response gives the waiting time in Retry-After."
)


@blueprint.get("/openapi.json")
@allow(Role.VIEWER)
def describe() -> Response:
    """The OpenAPI 3.1 document."""
    return answer(document())


def document() -> Document:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Callboard", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "tags": [{"name": name, "description": text} for name, text in paths.TAGS.items()],
        "paths": paths.paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "headers": schemas.HEADERS,
            "schemas": {**schemas.schemas(), **schedule_paths.schemas()},
        },
    }
