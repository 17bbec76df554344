"""File uploads: stored while the request is read, so that forms and API handle references only.

Only views marked by takes_files() accept files, and only their requests may be that large.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, TypeVar

import flask
from flask import Flask, Response, current_app, request, send_file
from werkzeug.datastructures import FileStorage, MultiDict

from ....actor_schema.signature import Signature
from ....actor_schema.validation_messages import invalid
from ....jobs import Upload
from ....jobs.core.errors import InvalidArguments, UnknownActor
from ....jobs.files import uploads
from ....jobs.files.upload import UNKNOWN, in_units
from ....operations.arguments.field import Field, Kind
from ....operations.arguments.fields import fields_of
from ....operations.format import json_documents
from ....operations.jobs import actor_catalogue
from ....operations.jobs.documents import job_documents
from ....operations.jobs.rows import Job
from ....settings import get_settings

View = TypeVar("View", bound=Callable[..., Any])

_MARK = "callboard_takes_files"
#: bytes of a request beyond its files and arguments
_BESIDE = 64 * 1024


class Request(flask.Request):
    """A request that streams its files directly into the upload folder."""

    def _get_file_stream(
        self, total_content_length: int | None, content_type: str | None, filename: str | None = None, content_length: int | None = None
    ) -> IO[bytes]:
        if _takes_files():
            return uploads.draft()
        return super()._get_file_stream(total_content_length, content_type, filename, content_length)


def takes_files(view: View) -> View:
    """Rule: this view accepts files."""
    setattr(view, _MARK, True)
    return view


def init(app: Flask) -> None:
    """Install upload handling."""
    app.request_class = Request
    app.before_request(_make_room)


def too_large() -> str:
    """The error text of a request that is too large."""
    if not _takes_files():
        return f"The request is larger than the {in_units(request.max_content_length or 0)} limit of this endpoint."
    names = ", ".join(sorted(_files_of(request.view_args))) or "file"
    most = in_units(get_settings().max_upload_bytes)
    return f"{names}: the files together exceed {most}, the limit per request (CALLBOARD_MAX_UPLOAD_BYTES)."


def sent(fields: Sequence[Field]) -> MultiDict[str, str]:
    """The submitted form with its files stored and replaced by references. Raises TooLarge."""
    texts: MultiDict[str, str] = MultiDict(request.form)
    names = set(_names(fields))
    for part, file in request.files.items(multi=True):
        if file.filename and re.sub(r"\.\d+(?=\.)", ".#", part) in names:
            texts.add(part, json_documents.dump(keep(file).reference))
    return texts


def keep(file: FileStorage) -> Upload:
    """Store a file of this request; its view must be marked by takes_files()."""
    kind = file.mimetype if file.mimetype != UNKNOWN else None
    return Upload.kept(file.stream, name=file.filename or "", content_type=kind)


def sha256(file: FileStorage) -> str:
    """SHA-256 of a file of this request."""
    file.stream.seek(0)
    return hashlib.file_digest(file.stream, "sha256").hexdigest()  # type: ignore[arg-type]


def body_text() -> str:
    """The JSON in the part `body` of a form with files. Raises InvalidArguments for another text part, which no argument would get."""
    for part, texts in request.form.lists():
        if part != "body":
            raise invalid({_named(part): "Not a file: put it in the JSON of the part body, e.g. under kwargs."})
        if len(texts) > 1:
            raise invalid({part: "Give one part body."})
    return request.form.get("body") or "{}"


def only_file() -> FileStorage:
    """The file of a request for one, in the part `file`. Raises InvalidArguments."""
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise InvalidArguments("Send one part named file, with a file name.", errors={"file": "Required."})
    parts = [part for part, _ in [*request.files.items(multi=True), *request.form.items(multi=True)]]
    if parts != ["file"]:
        raise invalid(
            {_named(next((part for part in parts if part != "file"), "file")): "One request stores one file, in one part named file."}
        )
    return upload


def _named(part: str | None) -> str:
    """The name of a part for an error; Werkzeug gives None for one that it cannot read."""
    return part or "?"


def by_parameter(signature: Signature) -> dict[str, Any]:
    """The uploaded files by parameter. Raises InvalidArguments for a part that is not a file parameter, TooLarge."""
    values: dict[str, Any] = {}
    several = {each.name for each in fields_of(signature) if each.kind is Kind.FILES}
    for part, file in request.files.items(multi=True):
        if part not in signature.files:
            known = ", ".join(sorted(signature.files)) or "none"
            raise invalid({_named(part): f"Not a file parameter. File parameters: {known}."})
        reference = keep(file).reference
        if part in several:
            values.setdefault(part, []).append(reference)
        elif part in values:
            raise invalid({part: "Give one file."})
        else:
            values[part] = reference
    return values


def files_of(job: job_documents.Called) -> list[dict[str, Any]]:
    """The visible files in a job's arguments, each once."""
    args, kwargs = job_documents.arguments(job)
    return list({each["id"]: each for each in uploads.found([args, kwargs])}.values())


def send(job: Job, id: str) -> Response:
    """An input file of the job as a download, never inline. Raises UploadNotHere."""
    reference = next((each for each in files_of(job) if each["id"] == id), None)
    if reference is None:
        raise uploads.UploadNotHere(f"The job has no file {id!r:.60}.", field="file")
    uploads.size_of(id)
    name = uploads.clean_name(str(reference.get("name", "")))
    # Ignore the declared type: shown inline, an HTML file would run its scripts on this origin (stored XSS).
    response = send_file(uploads.path(id).resolve(), mimetype=UNKNOWN, as_attachment=True, download_name=name, max_age=None)
    response.headers["Cache-Control"] = "no-store"
    return response


def _make_room() -> None:
    if _takes_files():
        request.max_content_length = get_settings().max_upload_bytes + get_settings().max_message_bytes + _BESIDE


def _takes_files() -> bool:
    return request.mimetype == "multipart/form-data" and hasattr(current_app.view_functions.get(request.endpoint or ""), _MARK)


def _files_of(view_args: dict[str, Any] | None) -> Iterable[str]:
    """The file parameters of the actor in the URL."""
    try:
        return Signature.of(actor_catalogue.find(str((view_args or {}).get("name", "")))).files
    except UnknownActor:
        return ()


def _names(fields: Sequence[Field]) -> Iterable[str]:
    """The names of file inputs; # stands for a row number."""
    for each in fields:
        if each.is_file:
            yield re.sub(r"\.\d+(?=\.)", ".#", each.name)
        yield from _names(each.children)
        if each.blank is not None:
            yield from _names([each.blank])
