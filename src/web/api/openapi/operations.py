"""Builders for one OpenAPI operation: responses, errors and parameters."""

from __future__ import annotations

from .schemas import Document, ref

#: errors that every operation may return
_ALWAYS = (400, 401, 403, 429, 503)
_WITH_BODY = (413, 415)


def operation(
    summary: str, result: Document, *, status: int = 200, body: Document | None = None, parameters: list[Document] | None = None,
    problems: tuple[int, ...] = (), media: str = "application/json", reads: bool | None = None, body_required: bool = True,
    parts: Document | None = None,
) -> Document:  # fmt: skip
    """Build one operation. `reads`: a GET with an ETag; None: derived (no body, status 200, not a stream).

    `parts`: the schema of a multipart/form-data body, instead of `body` or beside it.
    """
    limits: Document = {name: {"$ref": f"#/components/headers/{name}"} for name in ("RateLimit", "RateLimit-Policy")}
    done: Document = {"description": "Done", "headers": dict(limits)}
    if status != 204:
        done["content"] = {media: {"schema": result}}
    responses: Document = {str(status): done}
    if reads:
        done["headers"]["ETag"] = {"$ref": "#/components/headers/ETag"}
        responses["304"] = {"description": "Not modified since this ETag"}
    for problem in sorted({*problems, *_ALWAYS, *(_WITH_BODY if body or parts else ())}):
        responses[str(problem)] = _problem(problem)
    responses["default"] = _problem(0)
    described: Document = {
        "summary": summary,
        "responses": responses,
        "parameters": [*(parameters or []), *([_IF_NONE_MATCH] if reads else [])],
    }
    kinds = {"application/json": body, "multipart/form-data": parts}
    if body or parts:
        described["requestBody"] = {"required": body_required, "content": {kind: {"schema": one} for kind, one in kinds.items() if one}}
    return described


def segment(name: str, schema: Document | None = None) -> Document:
    """A path parameter."""
    return {"name": name, "in": "path", "required": True, "schema": schema or {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}}


def query(name: str, schema: Document | None = None, description: str = "") -> Document:
    """A query parameter."""
    return {"name": name, "in": "query", "schema": schema or {"type": "string"}, **({"description": description} if description else {})}


def header(name: str, description: str, schema: Document | None = None) -> Document:
    """A request header."""
    return {"name": name, "in": "header", "description": description, "schema": schema or {"type": "string"}}


IF_MATCH = header("If-Match", "ETag of an earlier response: 412 if the resource has changed since")
_IF_NONE_MATCH = header("If-None-Match", "ETag of an earlier response: 304 if the resource has not changed")
KEY = header(
    "Idempotency-Key", "a repeated key returns the result of the first request", {"type": "string", "maxLength": 200, "pattern": "^[!-~]*$"}
)


def _problem(status: int) -> Document:
    described: Document = {
        "description": "Error" if not status else "Problem",
        "content": {"application/problem+json": {"schema": ref("Problem")}},
    }
    if status == 429:
        described["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return described
