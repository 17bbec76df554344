"""API of the dead letters of a queue: list them, requeue or delete one, delete all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import Field
from typing_extensions import TypedDict
from werkzeug.exceptions import NotFound, ServiceUnavailable

from .... import audit
from ....broker.recover import dead_letter_contents as contents
from ....broker.recover.dead_letters import BrokerAway
from ....jobs.core.errors import JobsError
from ....operations.failures import dead_letter_documents, dead_letter_requests
from ....operations.failures.dead_letter_documents import DeadLetter
from ....operations.fleet import override_requests
from ....operations.fleet.override_requests import Target
from ....operations.format.request_values import RequestBody, example
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow
from ...http.json_bodies import Answer, answer
from ..requests.routes import Routes, Tag

api = Routes(Tag.FLEET)


class DeadLetters(TypedDict):
    """The oldest dead letters of a queue."""

    dead_letters: list[DeadLetter]


class Deleted(TypedDict):
    """Deleted dead letters."""

    deleted: int


class RequeueBody(RequestBody):
    """Other arguments for the message; empty: as it is."""

    model_config = example({"args": [1, 2], "kwargs": {}})

    args: list[Any] | None = Field(None, description="arguments by position: any JSON")
    kwargs: dict[str, Any] | None = Field(None, description="arguments by name: any JSON")


@api.get("/queues/<name>/dead-letters", errors=(404,))
@allow(Role.OPERATOR)
def list_dead_letters(name: str) -> Answer[DeadLetters]:
    """The oldest dead letters of a queue, which stay where they are."""
    with _queue(name):
        return answer({"dead_letters": [dead_letter_documents.document(each) for each in dead_letter_documents.seen(name)]})


@api.post("/queues/<name>/dead-letters/<key>/requeue", errors=(404,))
@allow(Role.OPERATOR, action="dead-letter.requeue")
def requeue_dead_letter(name: str, key: str, body: RequeueBody) -> Answer[Deleted]:
    """Requeue one dead letter, with other arguments if given; return how many left the dead-letter queue."""
    given = {field: value for field, value in (("args", body.args), ("kwargs", body.kwargs)) if value is not None}
    with _queue(name):
        dead_letter_requests.requeue_one(name, key, arguments=given or None)
    return answer({"deleted": 1})


@api.delete("/queues/<name>/dead-letters/<key>", status=200, errors=(404,))
@allow(Role.OPERATOR, action="dead-letter.delete")
def delete_dead_letter(name: str, key: str) -> Answer[Deleted]:
    """Delete one dead letter."""
    with _queue(name):
        contents.delete_one(name, key)
    return answer({"deleted": 1})


@api.delete("/queues/<name>/dead-letters", status=200, errors=(404,))
@allow(Role.OPERATOR, action="dead-letter.purge")
def purge_dead_letters(name: str) -> Answer[Deleted]:
    """Delete all dead letters of a queue."""
    with _queue(name):
        return answer({"deleted": contents.purge(name)})


@contextmanager
def _queue(name: str) -> Iterator[None]:
    """Check the queue and name it in the audit log; turn errors of the block into statuses."""
    with database.write() as session:
        try:
            override_requests.require(session, Target("queue", name))
        except JobsError as error:
            raise NotFound(str(error)) from None
        audit.about("queue", name)
    try:
        yield
    except contents.UnknownLetter as error:
        raise NotFound(str(error)) from None
    except BrokerAway as error:
        raise ServiceUnavailable(str(error)) from None
