"""/api/v1/openapi.json: the API described, with the arguments of every actor."""

from __future__ import annotations

from flask import Response

from src import __version__
from src.web.api import openapi_paths, openapi_schemas, schedule_openapi
from src.web.api.blueprint import blueprint
from src.web.api.bodies import answer
from src.web.api.openapi_schemas import Document
from src.web.auth import allow
from src.web.roles import Role

_DESCRIPTION = (
    "Submit background jobs and follow them. Errors are application/problem+json: `detail` says the cure, `errors` names each field at "
    "fault. Reads carry an ETag: send it back as If-None-Match, or as If-Match with an edit. Every answer says in RateLimit how much more "
    "its client may ask; 429 says in Retry-After when there is room again."
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
        "tags": [{"name": name, "description": text} for name, text in openapi_paths.TAGS.items()],
        "paths": openapi_paths.paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "headers": openapi_schemas.HEADERS,
            "schemas": {**openapi_schemas.schemas(), **schedule_openapi.schemas()},
        },
    }
