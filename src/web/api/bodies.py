"""Request bodies of the API, and JSON responses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from flask import Response, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from src.broker.complaints import complain
from src.database import now
from src.jobs import values
from src.jobs.edits import Edit
from src.jobs.errors import InvalidArguments, JobsError
from src.jobs.states import Unique
from src.settings import get_settings
from src.web.asking import Wish
from src.web.documents import dump
from src.web.instants import parse_duration, parse_instant

#: rows of a page at most
PAGE_LIMIT = 200
#: bytes of a body beside the arguments of its one job, which may be written with blanks and line breaks
ONE_JOB = 64 * 1024
#: bytes of memory that a body may take once it is parsed: thirty times its own size, if it is nothing but empty lists
MOST_PARSED = 128 * 1024 * 1024
#: levels of a body that is parsed all the same, so that the refusal can name the argument
DEEPEST_BODY = 400
Body = TypeVar("Body", bound=BaseModel)


def whole(value: Any) -> Any:
    """JSON has one kind of number: 6.0 is as whole as 6."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Whole numbers, but no text and no truth value that looks like one.
Priority = Annotated[int, Field(ge=0, le=9, strict=True), BeforeValidator(whole)]
Count = Annotated[int, Field(ge=1, strict=True), BeforeValidator(whole)]
Key = Annotated[
    str, Field(min_length=1, max_length=255), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00]*$"})
]
# What src/web/instants.py reads, and says better than a schema what is wrong with it; the schema is for those who describe.
_INSTANT_SCHEMA = {"type": "string", "format": "date-time"}
_WAIT_SCHEMA = [{"type": "number", "minimum": 0, "maximum": 3_000_000_000}, {"type": "string", "pattern": r"^([0-9]{1,4}[smhd]){1,3}$"}]
#: an instant, ISO 8601 with its zone
Instant = Annotated[str, WithJsonSchema(_INSTANT_SCHEMA)]
#: how long: seconds, or a text such as 1h30m
Wait = Annotated[str | float, WithJsonSchema({"anyOf": _WAIT_SCHEMA})]
#: the same, and longer than nothing
Period = Annotated[
    str | float,
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 1, "maximum": 3_000_000_000}, {"type": "string", "pattern": r"^[1-9][0-9]{0,3}[smhd]$"}]}
    ),
]
#: how long from now, or until when
Until = Annotated[str | float, WithJsonSchema({"anyOf": [*_WAIT_SCHEMA, _INSTANT_SCHEMA]})]


class CallBody(BaseModel):
    """One job of an actor that the address names, its arguments by name."""

    model_config = ConfigDict(extra="forbid")

    kwargs: dict[str, Any] = Field({}, description="arguments by name")
    delay: Wait | None = Field(None, description="how long to wait: seconds, or a text such as 10m or 1h30m; not together with eta")
    eta: Instant | None = Field(None, description="the instant to wait for, ISO 8601 with its zone")
    expires: Until | None = Field(None, description="not started after this: an instant, or how long from now")
    priority: Priority | None = Field(None, description="higher is taken first; null: the actor's own")
    queue: str | None = Field(None, description="another queue than the actor's own")
    unique_key: Key | None = Field(None, description="no second job of this key while one waits or runs")
    unique_until: Literal["waiting", "finished"] | None = Field(
        None,
        description="how long it keeps others of its key out: until it starts, or until it has ended; null: the actor's own, or finished",
    )
    unique_for: Period | None = Field(
        None, description="keeps others of its key out for this period instead, whatever becomes of it: seconds, or a text such as 1h"
    )
    fair_key: Key | None = Field(None, description="whose share of the queue it takes; null: the actor's own")

    def wish_of(self, actor: str, args: list[Any], kwargs: dict[str, Any], *, key: str | None) -> Wish:
        """What the body asks this actor for. `key`: the idempotency key."""
        return Wish(
            actor, args, kwargs, queue=self.queue, due_at=due_at(self.delay, self.eta), expires_at=ahead("expires", self.expires),
            priority=self.priority, unique_key=self.unique_key, unique_until=Unique(self.unique_until) if self.unique_until else None,
            unique_for=duration("unique_for", self.unique_for), fair_key=self.fair_key, idempotency_key=key,
        )  # fmt: skip


class JobBody(CallBody):
    """One job to submit."""

    actor: str = Field(description="name of the actor")
    args: list[Any] = Field([], description="arguments by position")
    idempotency_key: str | None = Field(
        None, min_length=1, description="the same key again answers with the same job; the header Idempotency-Key says the same of one job"
    )

    def wish(self, *, key: str | None = None) -> Wish:
        """What the body asks for. `key`: the idempotency key of the request's header."""
        if key and self.idempotency_key and key != self.idempotency_key:
            raise JobsError("The header Idempotency-Key says another key.", field="idempotency_key")
        return self.wish_of(self.actor, self.args, self.kwargs, key=key or self.idempotency_key)


class EditBody(BaseModel):
    """What to change of a waiting job; what is missing stays as it is. `args` and `kwargs` together are the new arguments."""

    model_config = ConfigDict(extra="forbid")

    args: list[Any] | None = Field(None, description="new arguments by position; with kwargs they replace all there were")
    kwargs: dict[str, Any] | None = Field(None, description="new arguments by name; with args they replace all there were")
    delay: Wait | None = Field(None, description="when it is due, from now on: 0, seconds, or a text such as 10m; not together with eta")
    eta: Instant | None = Field(None, description="the instant at which it is due, ISO 8601 with its zone")
    expires: Until | None = Field(None, description="not started after this: an instant, or how long from now")
    priority: Priority | None = Field(None, description="higher is taken first")

    def change(self) -> Edit:
        """The change, its arguments as yet unchecked."""
        return Edit(
            args=self.args, kwargs=self.kwargs, due_at=due_at(self.delay, self.eta), expires_at=ahead("expires", self.expires), priority=self.priority
        )  # fmt: skip


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
        raise BadRequest("The body holds more values than are taken at once: send it in parts.")
    if values.is_too_deep(data, DEEPEST_BODY):
        raise BadRequest(f"The body is not JSON that is taken: its lists and objects are nested more than {values.DEEPEST} levels deep.")
    try:
        document = values.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
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


def read_job(document: Any) -> JobBody:
    """One job of a body; raises InvalidArguments naming each field at fault."""
    return read(JobBody, document, example='{"actor": "add", "args": [1, 2]}')


def read(kind: type[Body], document: Any, *, example: str) -> Body:
    """A body of this kind; raises InvalidArguments naming each field at fault."""
    if not isinstance(document, dict):
        raise InvalidArguments(f"Send a JSON object such as {example}.", errors={})
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        problems = complain(error.errors(include_url=False), kind.model_json_schema()["properties"])
        raise InvalidArguments("; ".join(f"{name}: {text}" for name, text in problems.items()), errors=problems) from None


def read_limit() -> int:
    """How many rows a page is to have."""
    text = request.args.get("limit", "50")
    if not text.isdecimal() or not 1 <= int(text[:9]) <= PAGE_LIMIT:
        raise JobsError(f"limit lies between 1 and {PAGE_LIMIT}.", field="limit")
    return int(text)


def answer(document: Any, status: int = 200) -> Response:
    """The document as a response."""
    return Response(dump(document), status, mimetype="application/json")


def due_at(delay: str | float | None, eta: str | None) -> datetime | None:
    """The instant that a delay or an eta means; None: neither was given."""
    if delay is not None and eta is not None:
        raise JobsError("Give either delay or eta, not both.", field="eta")
    return ahead("delay", delay) or ahead("eta", eta)


def ahead(field: str, value: str | float | None) -> datetime | None:
    """The instant that a field means, given as one or as how long from now."""
    if value is None:
        return None
    try:
        if field in ("eta", "until") or (isinstance(value, str) and "-" in value):
            return parse_instant(str(value))
        return now() + parse_duration(value)
    except ValueError as error:
        raise JobsError(f"{field}: {error}", field=field) from None


def duration(field: str, value: str | float | None) -> timedelta | None:
    """The period that a field means."""
    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise JobsError(f"{field}: {error}", field=field) from None
