"""Conditional requests (RFC 9110): ETag, If-None-Match for cheap reads, If-Match against lost updates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

from flask import Response, request
from werkzeug.exceptions import PreconditionFailed

from ....operations.format.json_documents import dump
from .routes import Header

Tagged = TypeVar("Tagged", bound=Response)

IF_MATCH = Header("If-Match", "ETag of an earlier response: 412 if the resource has changed since", "^[!-~][ -~]*$")
IF_NONE_MATCH = Header("If-None-Match", "ETag of an earlier response: 304 if the resource has not changed")
_READS = frozenset({"GET", "HEAD"})
#: fields of a job's document that change without a change of its row
_VOLATILE = frozenset({"waiting_because", "waiting_on"})


def tag(text: str | bytes) -> str:
    """Compute the entity tag of a serialised document."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:32]


def answer_conditionally(response: Response) -> Response:
    """Add the ETag; respond 304 without a body if the client has this version."""
    if request.method not in _READS or response.status_code != 200 or response.is_streamed or response.mimetype != "application/json":
        return response
    if not response.get_etag()[0]:
        response.set_etag(tag(response.get_data()))
    response.headers.setdefault("Cache-Control", "private, no-cache")  # may be stored, must be revalidated
    response.make_conditional(request)
    return response


def require_match(document: Mapping[str, Any]) -> None:
    """Reject an edit with 412 if its If-Match names a different version."""
    _require(lambda wanted: wanted.partition("-")[0] == _row_tag(document))


def tagged(response: Tagged, document: Mapping[str, Any]) -> Tagged:
    """Tag a job's document: If-Match compares its row only, If-None-Match the whole document."""
    response.set_etag(f"{_row_tag(document)}-{tag(response.get_data())}")
    return response


def _row_tag(document: Mapping[str, Any]) -> str:
    return tag(dump({name: value for name, value in document.items() if name not in _VOLATILE}))


def require_version(version: int) -> None:
    """Reject an edit with 412 for a tag that starts with a version, as `versioned` builds it."""
    _require(lambda wanted: wanted.partition("-")[0] == str(version))


def versioned(response: Tagged, version: int) -> Tagged:
    """Tag a document with computed fields (next ticks), so that If-Match compares its version only."""
    response.set_etag(f"{version}-{tag(response.get_data())}")
    return response


def _require(fits: Any) -> None:
    wanted = request.if_match
    # A proxy that compresses answers weakens their tags: a client behind it has no others, and its edits would all be refused.
    if not wanted or wanted.star_tag or any(fits(each) for each in wanted.as_set(include_weak=True)):
        return
    raise PreconditionFailed("It has changed since you read it. Read it again, then send If-Match with the new ETag.")
