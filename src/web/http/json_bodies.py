"""Request bodies of the API, and JSON responses."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from ...jobs.core import values
from ...jobs.core.errors import InvalidArguments, JobsError
from ...operations.format.json_documents import dump
from ...settings import get_settings

#: rows of a page at most
PAGE_LIMIT = 200
#: bytes of a body beside the arguments of its one job, which may be written with blanks and line breaks
ONE_JOB = 64 * 1024
#: bytes of memory that a body may take once it is parsed: thirty times its own size, if it is nothing but empty lists
MOST_PARSED = 128 * 1024 * 1024
#: levels of a body that is parsed all the same, so that the refusal can name the argument
DEEPEST_BODY = 400


def read_json(*, many: bool = False) -> Any:
    """The request's JSON; anything else is refused with the reason, and what is too large before it is parsed. `many`: of several jobs."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send JSON with the header Content-Type: application/json.")
    if not many:
        request.max_content_length = min(request.max_content_length or ONE_JOB, get_settings().max_message_bytes * 2 + ONE_JOB)
    return loads(request.get_data(cache=False))


def require_multipart() -> None:
    """Refuse what is no multipart/form-data."""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("Send multipart/form-data, as curl -F 'file=@a.png' does.")


def loads(text: str | bytes) -> Any:
    """The JSON of a body, or of a part of one. Raises BadRequest, or InvalidArguments naming the field that no row can hold."""
    data = text.encode() if isinstance(text, str) else text
    if values.size_parsed(data) > MOST_PARSED:
        raise BadRequest("The body contains too many values: split the request.")
    if values.is_too_deep(data, DEEPEST_BODY):
        raise BadRequest(f"The body is rejected: its lists and objects are nested more than {values.DEEPEST} levels deep.")
    try:
        document = values.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None
    found = values.unkeepable(document) if b"\\ud" in data.lower() else None
    if found is not None:
        field = _field(found[0])
        raise InvalidArguments(f"{field}: {found[1]}", errors={field: found[1]})
    return document


def _field(path: tuple[str | int, ...]) -> str:
    """The field of a body that a path leads to: an argument by name by its own, as where it does not fit."""
    steps = [str(step) for step in path]
    of_job = 1 if path and isinstance(path[0], int) else 0
    if len(steps) > of_job + 1 and steps[of_job] == "kwargs":
        del steps[of_job]
    return ".".join(steps[: of_job + 1])


def read_limit() -> int:
    """How many rows a page is to have."""
    text = request.args.get("limit", "50")
    if not text.isdecimal() or not 1 <= int(text[:9]) <= PAGE_LIMIT:
        raise JobsError(f"limit must be between 1 and {PAGE_LIMIT}.", field="limit")
    return int(text)


def answer(document: Any, status: int = 200) -> Response:
    """The document as a response."""
    return Response(dump(document), status, mimetype="application/json")
