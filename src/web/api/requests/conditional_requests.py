"""Reads that cost nothing when nothing changed, and edits that overwrite nobody: ETag, If-None-Match, If-Match (RFC 9110)."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Response, request
from werkzeug.exceptions import PreconditionFailed

from ....operations.format.json_documents import dump

_READS = frozenset({"GET", "HEAD"})
#: parts of a job's document that change though its row does not: what it waits for at the moment
_VOLATILE = frozenset({"waiting_because"})


def tag(text: str | bytes) -> str:
    """The entity tag of a document as it is sent."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:32]


def answer_conditionally(response: Response) -> Response:
    """Give a document its tag; one that the client has already is answered with 304 and no body."""
    if request.method not in _READS or response.status_code != 200 or response.is_streamed or response.mimetype != "application/json":
        return response
    if not response.get_etag()[0]:
        response.set_etag(tag(response.get_data()))
    response.headers.setdefault("Cache-Control", "private, no-cache")  # to be kept, but asked about each time
    response.make_conditional(request)
    return response


def require_match(document: dict[str, Any]) -> None:
    """Refuse an edit (412) whose If-Match names another version of the document than the one there is."""
    _require(lambda wanted: wanted.partition("-")[0] == _row_tag(document))


def tagged(response: Response, document: dict[str, Any]) -> Response:
    """Tag a job's document so that edits ask for its row alone, and reads for all of it."""
    response.set_etag(f"{_row_tag(document)}-{tag(response.get_data())}")
    return response


def _row_tag(document: dict[str, Any]) -> str:
    return tag(dump({name: value for name, value in document.items() if name not in _VOLATILE}))


def require_version(version: int) -> None:
    """The same for a document whose tag begins with its version, as `versioned` makes it."""
    _require(lambda wanted: wanted.partition("-")[0] == str(version))


def versioned(response: Response, version: int) -> Response:
    """Tag a document that changes by itself, too (its next instants), so that edits ask for its version alone."""
    response.set_etag(f"{version}-{tag(response.get_data())}")
    return response


def _require(fits: Any) -> None:
    wanted = request.if_match
    if not wanted or wanted.star_tag or any(fits(each) for each in wanted.as_set()):
        return
    raise PreconditionFailed("It has changed since you read it. Read it again, then send If-Match with the new ETag.")
