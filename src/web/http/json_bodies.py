"""JSON request bodies and responses of the API."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from flask import Response, request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from ...jobs.core import values
from ...jobs.core.errors import InvalidArguments
from ...operations.format.json_documents import dump
from ...operations.format.list_filters import PAGE_LIMIT
from ...operations.format.request_values import read_number
from ...settings import get_settings

Document = TypeVar("Document")

#: bytes of a body beyond its job's arguments (whitespace, other fields)
ONE_JOB = 64 * 1024
#: bytes of memory of a parsed body: a body of empty lists takes thirty times its size
MOST_PARSED = 128 * 1024 * 1024
#: nesting levels that are still parsed, so that the error can name the argument
DEEPEST_BODY = 400


def read_json(*, many: bool = False) -> Any:
    """Read the request's JSON; reject other content with the reason, and oversized bodies before parsing. `many`: several jobs."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("Send JSON with the header Content-Type: application/json.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body uncompressed, without the header Content-Encoding.")
    if not many:
        request.max_content_length = min(request.max_content_length or ONE_JOB, get_settings().max_message_bytes * 2 + ONE_JOB)
    return loads(request.get_data(cache=False))


def require_multipart() -> None:
    """Reject requests other than multipart/form-data."""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("Send multipart/form-data, as curl -F 'file=@a.png' does.")


def loads(text: str | bytes) -> Any:
    """Parse the JSON of a body or part. Raises BadRequest, or InvalidArguments naming the field that cannot be stored."""
    data = text.encode() if isinstance(text, str) else text
    if values.size_parsed(data) > MOST_PARSED:
        raise BadRequest("The body contains too many values: split the request.")
    if values.is_too_deep(data, DEEPEST_BODY):
        raise BadRequest(f"The body is not accepted: its lists and objects are nested more than {values.DEEPEST} levels deep.")
    try:
        document = values.loads(data)
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8: send the JSON in UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None
    found = values.unkeepable(document) if b"\\ud" in data.lower() else None
    if found is not None:
        path, problem = found
        field = _field(path)
        raise InvalidArguments(f"{field}: {problem}", errors={field: problem})
    return document


def _field(path: tuple[str | int, ...]) -> str:
    """The field name of a JSON path; arguments by name use their own name, as in validation errors."""
    steps = [str(step) for step in path]
    of_job = 1 if path and isinstance(path[0], int) else 0
    if len(steps) > of_job + 1 and steps[of_job] == "kwargs":
        del steps[of_job]
    return ".".join(steps[: of_job + 1])


def read_limit() -> int:
    """The requested page size."""
    return read_number("limit", request.args.get("limit", "50"), most=PAGE_LIMIT)


class Answer(Response, Generic[Document]):
    """A JSON response with a document of this type: the annotation of a view is its answer in the OpenAPI document."""


def answer(document: Document, status: int = 200) -> Answer[Document]:
    """The document as a response."""
    return Answer(dump(document), status, mimetype="application/json")
