"""Documents of dead letters, of those that the caller may see."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...broker.recover import dead_letter_contents as contents
from ..format.document_fields import Args, Instant, Kwargs
from ..format.instants import write_instant
from ..jobs.documents import job_documents
from ..people import permissions


class DeadLetter(TypedDict):
    """A message that RabbitMQ rejected or delivered too often."""

    key: Annotated[str, Field(description="names it in URLs")]
    id: Annotated[str | None, Field(description="of the message, and of its job if it has one")]
    actor: Annotated[str | None, Field(description="null: not a message, see body")]
    args: Args
    kwargs: Kwargs
    body: Annotated[str | None, Field(description="of what is not a message")]
    reason: Annotated[str | None, Field(description="RabbitMQ's: rejected, delivery_limit, expired, maxlen")]
    died_at: Instant | None


def seen(queue: str) -> list[contents.Letter]:
    """The oldest dead letters of a queue that the caller may see; a limited one sees only messages of its actors. Raises BrokerAway."""
    letters, limited = contents.peek(queue), permissions.in_force()
    return [each for each in letters if limited is None or (each.actor and permissions.fits(limited, each.actor))]


def document(letter: contents.Letter) -> DeadLetter:
    """The document of a dead letter; secrets are masked."""
    args, kwargs = job_documents.arguments(letter)
    return {
        "key": letter.key, "id": letter.id, "actor": letter.actor, "args": args, "kwargs": kwargs, "body": None if letter.actor else letter.body,
        "reason": letter.reason, "died_at": write_instant(letter.died_at),
    }  # fmt: skip
