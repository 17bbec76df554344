"""/api/v1/openapi.json: the API with the arguments of every actor, made from the routes and their types."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from flask import Response
from pydantic import TypeAdapter

from .... import __version__
from ....operations.people.roles import Role
from ...auth import allow
from ...http.json_bodies import answer
from ...http.responses.problems import ProblemDocument
from ..requests.blueprint import blueprint
from ..requests.routes import ROUTES, TAGS, Route
from . import actor_schemas, type_schemas
from .operations import HEADERS, operations
from .type_schemas import IN, OUT, Document, Typed

_DESCRIPTION = (
    "Submit background jobs and follow them. Errors are application/problem+json: `detail` says how to fix the request, `errors` names each "
    "invalid field. GET responses carry an ETag: send it back as If-None-Match, or as If-Match with an edit. RateLimit gives the remaining "
    "quota of the client; a 429 response gives the waiting time in Retry-After. The scope of each operation is the role that it requires."
)


@blueprint.get("/openapi.json")
@allow(Role.VIEWER)
def describe() -> Response:
    """The OpenAPI 3.1 document."""
    return answer(document())


def document() -> Document:
    """The whole document, with the actors that the caller may use."""
    paths, schemas = actor_schemas.by_actor(*_routes())
    return {
        "openapi": "3.1.0",
        "info": {"title": "Callboard", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "tags": [{"name": tag.value, "description": text} for tag, text in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "headers": HEADERS,
            "schemas": schemas,
        },
    }


@cache
def _routes() -> tuple[Document, Document]:
    """The paths that are the same for every caller, and the named schemas."""
    problem: Typed = (("problem",), OUT, TypeAdapter(ProblemDocument))
    typed = [(route, list(_types(route))) for route in sorted(ROUTES, key=lambda route: (list(TAGS).index(route.tag), route.rule))]
    found, schemas = type_schemas.schemas([problem, *(each for _, types in typed for each in types)])
    paths: Document = {}
    for route, types in typed:
        own = {key[0]: found[key, mode] for key, mode, _ in types}
        for path, described in operations(route, own):
            paths.setdefault(path, {})[route.method.lower()] = described
    return paths, schemas


def _types(route: Route) -> Iterator[Typed]:
    """The types of a route by their role in the operation."""
    kinds = (("body", IN, route.body), ("parts", IN, route.declared.get("parts")), ("answer", OUT, route.answer))
    for name, mode, kind in kinds:
        if kind is not None:
            yield (name, route.method, route.rule), mode, TypeAdapter(kind)
