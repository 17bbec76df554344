"""Export formats of a page: the same rows as JSON or CSV, by `?format=`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, request
from werkzeug.exceptions import NotFound

from ....formats import spreadsheets
from ....operations.format import json_documents

FORMATS = ("json", "csv")


def requested_format() -> str | None:
    """The requested format; None: the page itself."""
    form = request.args.get("format", "")
    if form and form not in FORMATS:
        raise NotFound(f"Unknown format {form}. Use json or csv.")
    return form or None


def as_json(document: Any) -> Response:
    """The document."""
    return Response(json_documents.dump(document), mimetype="application/json")


def as_csv(rows: Sequence[Mapping[str, Any]], name: str, *, columns: Sequence[str] = ()) -> Response:
    """The rows as CSV with a header; lists and objects are JSON."""
    names = list(columns) or list(dict.fromkeys(column for row in rows for column in row))
    lines = spreadsheets.write([names, *([_cell(row.get(column)) for column in names] for row in rows)])
    response = Response(b"".join(lines), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json_documents.dump(value)
    return "" if value is None else value
