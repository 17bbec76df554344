"""Error documents: application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict
from werkzeug.wrappers import Response


class FieldProblem(TypedDict):
    """An invalid field of the request."""

    field: Annotated[str, Field(description="its name, with its place in lists and objects: steps.0.args")]
    message: str


class ProblemDocument(TypedDict):
    """An error (RFC 9457)."""

    type: str
    title: Annotated[str, Field(description="the reason phrase of the status")]
    status: int
    detail: Annotated[str, Field(description="what is wrong, and the cure")]
    errors: NotRequired[list[FieldProblem]]


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

    def document(self) -> ProblemDocument:
        """The members of problem+json."""
        document: ProblemDocument = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        if self.fields:
            document["errors"] = [{"field": name, "message": message} for name, message in self.fields.items()]
        return document


def respond(problem: Problem) -> Response:
    """The problem as a response."""
    return Response(json.dumps(problem.document()), problem.status, mimetype="application/problem+json")
