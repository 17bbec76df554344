"""API routes: one declaration registers the Flask rule and describes the operation in the OpenAPI document.

The view's annotations are part of it: the types of path parameters, the model of `body`, the document in `Answer[…]`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, Literal, NamedTuple, Unpack, get_args, get_origin, get_type_hints

from flask import Response, request
from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from ....actor_schema.validation_messages import no_such
from ....jobs.core.errors import InvalidArguments
from ....jobs.core.values import storable
from ....operations.format.request_values import read
from ...http.json_bodies import Answer, read_json
from .blueprint import blueprint

View = Callable[..., Response]
#: a file in a multipart/form-data body
Binary = Annotated[str, WithJsonSchema({"type": "string", "format": "binary"})]
_VARIABLE = re.compile(r"<(?:[^<>]+:)?(\w+)>")


class Tag(StrEnum):
    """Group of routes."""

    JOBS = "jobs"
    ACTORS = "actors"
    WORKFLOWS = "workflows"
    SCHEDULES = "schedules"
    CONTROLS = "controls"
    FLEET = "fleet"
    MAIL = "mail"
    REPORTS = "reports"
    WEBHOOKS = "webhooks"
    ADMIN = "admin"


#: description of each group, in the order of the API reference
TAGS = {
    Tag.JOBS: "Submit, follow and control jobs.",
    Tag.ACTORS: "The task functions, each with an endpoint to submit it.",
    Tag.WORKFLOWS: "Jobs with dependencies.",
    Tag.SCHEDULES: "Jobs that run at set times.",
    Tag.CONTROLS: "Pauses, limits and circuit breakers.",
    Tag.FLEET: "Queues, workers, alerts and statistics.",
    Tag.MAIL: "Emails and the built-in mailbox.",
    Tag.REPORTS: "The archive of reports.",
    Tag.WEBHOOKS: "URLs that are notified when jobs and workflows end.",
    Tag.ADMIN: "Users, tokens, the audit log and backups.",
}


class Header(NamedTuple):
    """A request header."""

    name: str
    description: str
    pattern: str = ""
    max_length: int | None = None


JSON = "application/json"
KEY = Header("Idempotency-Key", "a repeated key returns the same job or workflow", "^[!-~]+$", 200)
#: headers that promise something, each with the requests that keep it
_PROMISES = {
    KEY.name: "This request does not take the header. A job and a workflow do; in a list of jobs, give each its idempotency_key.",
    "If-Match": "This request does not take the header. An edit of a job or schedule does, and the deletion of a schedule.",
}
#: the response headers of a submission
SUBMITTED = ("Location", "Idempotency-Replayed")


class Declared(TypedDict, total=False):
    """The declaration of a route, beyond what the view's annotations say."""

    #: status of the response
    status: int
    #: statuses of errors, besides those that every route may return
    errors: tuple[int, ...]
    #: TypedDict of the query parameters
    query: Any
    headers: tuple[Header, ...]
    #: names of response headers, as in components.headers
    sends: tuple[str, ...]
    #: type of a JSON body that the view reads itself
    body: Any
    body_required: bool
    #: TypedDict of a multipart/form-data body
    parts: Any
    #: type of the response, for a view that returns no Answer[…]
    answer: Any
    media: str
    #: the words that the last variable of the rule may be, each with its summary: an operation of its own
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """A registered route."""

    tag: Tag
    method: Literal["GET", "POST", "PATCH", "DELETE"]
    rule: str
    view: View
    answer: Any  # None: the response has no content
    body: Any
    path_types: Mapping[str, Any]
    declared: Declared
    words: Mapping[str, str] = field(default_factory=dict)

    def operations(self) -> Iterator[tuple[str, str]]:
        """The path and summary of each operation."""
        path = _VARIABLE.sub(r"{\1}", self.rule)
        if not self.words:
            yield path, _documentation(self.view)[0]
        for word, summary in self.words.items():
            yield re.sub(r"{\w+}$", word, path), summary

    @property
    def description(self) -> str:
        """The view's docstring without its first sentence. Where each word has a summary of its own, nothing."""
        return "" if self.words else _documentation(self.view)[1]

    @property
    def status(self) -> int:
        """The status of the response."""
        return self.declared.get("status", 200)

    @property
    def media(self) -> str:
        """The media type of the response."""
        return self.declared.get("media", JSON)

    @property
    def is_read(self) -> bool:
        """True for a GET with an ETag."""
        return self.method == "GET" and self.media == JSON


#: every route, in the order of registration
ROUTES: list[Route] = []


class Routes:
    """Decorators that register the views of one tag."""

    def __init__(self, tag: Tag) -> None:
        self._tag = tag

    def get(self, rule: str, **declared: Unpack[Declared]) -> Callable[[View], View]:
        """Register a view that reads."""
        return self._register("GET", rule, declared)

    def post(self, rule: str, **declared: Unpack[Declared]) -> Callable[[View], View]:
        """Register a view that creates or acts."""
        return self._register("POST", rule, declared)

    def patch(self, rule: str, **declared: Unpack[Declared]) -> Callable[[View], View]:
        """Register a view that edits."""
        return self._register("PATCH", rule, declared)

    def delete(self, rule: str, **declared: Unpack[Declared]) -> Callable[[View], View]:
        """Register a view that deletes."""
        return self._register("DELETE", rule, declared)

    def _register(self, method: Any, rule: str, declared: Declared) -> Callable[[View], View]:
        words = declared.get("words", {})
        if words:
            rule = re.sub(r"<(\w+)>$", rf"<any({', '.join(map(_quoted, words))}):\1>", rule)

        def decorate(view: View) -> View:
            types = get_type_hints(view, include_extras=True)
            returned, body = types.pop("return", None), types.pop("body", None)
            called = view if body is None else _with_body(view, body)
            if method == "GET":
                called = _with_query(called, list(get_type_hints(declared["query"])) if "query" in declared else [])
            else:
                called = _with_headers(_with_query(called, []), [header.name for header in declared.get("headers", ())])
            blueprint.add_url_rule(rule, view_func=called, methods=[method])
            if words:
                del types[_VARIABLE.findall(rule)[-1]]
            answer = get_args(returned)[0] if get_origin(returned) is Answer else declared.get("answer")
            if (answer is None) != (declared.get("status") == 204):
                raise TypeError(f"{method} {rule}: annotate the view with Answer[…], or declare `answer`; only status 204 has none.")
            ROUTES.append(Route(self._tag, method, rule, called, answer, body or declared.get("body"), types, declared, words))
            return called

        return decorate


def _with_body(view: View, model: Any) -> View:
    """The view with its body read and validated first."""

    @wraps(view)
    def called(**named: Any) -> Response:
        return view(body=read(model, read_json()), **named)

    return called


def _with_query(view: View, known: list[str]) -> View:
    """The view that refuses unknown query parameters: a misspelt filter would return everything."""

    @wraps(view)
    def called(**named: Any) -> Response:
        for name in request.args:
            if name not in known:
                problem = storable(no_such("query parameter", name, known))
                raise InvalidArguments(f"{storable(name)}: {problem}", errors={storable(name): problem})
        return view(**named)

    return called


def _with_headers(view: View, known: list[str]) -> View:
    """The view that refuses a header it does not read: the client relies on what it promises."""

    @wraps(view)
    def called(**named: Any) -> Response:
        for name, promised in _PROMISES.items():
            value = request.headers.get(name)
            if value is not None and (name not in known or not value.strip()):
                problem = "This is empty: give a value, or leave the header out." if name in known else promised
                raise InvalidArguments(f"{name}: {problem}", errors={name: problem})
        return view(**named)

    return called


def _quoted(word: str) -> str:
    return word if word.isidentifier() else repr(word)


def _documentation(view: View) -> tuple[str, str]:
    """The first sentence of the docstring, without its full stop, and the rest."""
    first, _, rest = (inspect.getdoc(view) or "").partition(". ")
    return first.removesuffix("."), rest.strip()
