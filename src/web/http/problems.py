"""Error documents: application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Response


@dataclass(frozen=True, slots=True)
class Problem:
    """An error. `detail` says the cure; `fields` maps each invalid input to its message."""

    status: int
    detail: str
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The reason phrase of the status."""
        return HTTPStatus(self.status).phrase

    def document(self) -> dict[str, Any]:
        """The members of problem+json."""
        document: dict[str, Any] = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        if self.fields:
            document["errors"] = [{"field": name, "message": message} for name, message in self.fields.items()]
        return document


def respond(problem: Problem) -> Response:
    """The problem as a response."""
    return Response(json.dumps(problem.document()), problem.status, mimetype="application/problem+json")
