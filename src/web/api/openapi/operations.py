"""Operations of the OpenAPI document, made from the registered routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import TypeAdapter

from ...auth.access import role_of
from ..requests.conditional_requests import IF_NONE_MATCH
from ..requests.routes import JSON, Header, Route
from .type_schemas import Document, inline, ref

#: errors that every operation may return
_ALWAYS = (400, 401, 403, 429, 503)
_WITH_BODY = (413, 415)
#: response headers
HEADERS: Document = {
    "ETag": {"description": "The version of the resource", "schema": {"type": "string"}},
    "RateLimit": {
        "description": "Remaining quota of the client: r requests, t seconds until it is refilled",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {"description": "The limit: q requests in w seconds", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 0}},
    "Location": {"description": "URL of the created resource", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "true if the key was used before: this is the earlier job or workflow",
        "schema": {"type": "string"},
    },
}
_SEGMENT: Document = {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}


def operations(route: Route, schemas: Mapping[str, Document]) -> Iterator[tuple[str, Document]]:
    """The operations of a route by path. `schemas`: those of its body, parts and answer."""
    shared = _shared(route, schemas)
    for path, summary in route.operations():
        words = [word.strip("{}") for word in path.split("/") if word]
        yield path, {"operationId": "-".join((route.method.lower(), *words)), "summary": summary, **shared}


def _shared(route: Route, schemas: Mapping[str, Document]) -> Document:
    declared = route.declared
    content = {kind: {"schema": schemas[name]} for name, kind in (("body", JSON), ("parts", "multipart/form-data")) if name in schemas}
    described: Document = {
        "tags": [route.tag.value],
        "security": [{"token": [role_of(route.view).value]}],
        "parameters": _parameters(route),
        "responses": _responses(route, schemas.get("answer"), has_body=bool(content)),
    }
    if route.description:
        described["description"] = route.description
    if content:
        described["requestBody"] = {"required": declared.get("body_required", True), "content": content}
    return described


def _responses(route: Route, answer: Document | None, *, has_body: bool) -> Document:
    sent = ("RateLimit", "RateLimit-Policy", *route.declared.get("sends", ()), *(("ETag",) if route.is_read else ()))
    done: Document = {"description": "Done", "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in sent}}
    if answer is not None:
        done["content"] = {route.media: {"schema": answer}}
    responses: Document = {str(route.status): done}
    if route.is_read:
        responses["304"] = {"description": "Not modified since this ETag"}
    for status in sorted({*route.declared.get("errors", ()), *_ALWAYS, *(_WITH_BODY if has_body else ())}):
        responses[str(status)] = _problem("Problem")
    responses["429"]["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    responses["default"] = _problem("Error")
    return responses


def _problem(description: str) -> Document:
    return {"description": description, "content": {"application/problem+json": {"schema": ref("Problem")}}}


def _parameters(route: Route) -> list[Document]:
    found = [
        {"name": name, "in": "path", "required": True, **_described(_SEGMENT if kind is str else inline(TypeAdapter(kind)))}
        for name, kind in route.path_types.items()
    ]
    if query := route.declared.get("query"):
        schema = inline(TypeAdapter(query))
        found += [
            {"name": name, "in": "query", **({"required": True} if name in schema.get("required", ()) else {}), **_described(each)}
            for name, each in schema["properties"].items()
        ]
    return found + [_header(each) for each in (*route.declared.get("headers", ()), *((IF_NONE_MATCH,) if route.is_read else ()))]


def _header(each: Header) -> Document:
    limits = {"pattern": each.pattern or None, "maxLength": each.max_length}
    schema = {"type": "string", **{name: value for name, value in limits.items() if value}}
    return {"name": each.name, "in": "header", "description": each.description, "schema": schema}


def _described(schema: Document) -> Document:
    """The schema of a parameter, with its description beside it."""
    bare = {name: value for name, value in schema.items() if name != "description"}
    return {"schema": bare, **({"description": schema["description"]} if "description" in schema else {})}
