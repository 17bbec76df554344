"""Documents of actors."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from ...actor_schema.signature import Signature
from ...jobs.limits.overrides import Controls
from ..jobs.actor_catalogue import AnyActor
from ..people import permissions
from ..people.roles import Role
from .override_documents import paused_by


class ActorDocument(TypedDict):
    """An actor: a task function that jobs call."""

    name: str
    title: str
    help: str
    queue: str
    paused_by: Annotated[str | None, Field(description="target of the widest pause that applies")]
    submit_role: Annotated[Role, Field(description="role required to submit its jobs")]
    view_role: Annotated[Role, Field(description="role required to view its jobs")]
    schema: Annotated[dict[str, Any], Field(description="the JSON Schema of its arguments by name")]


def document(actor: AnyActor, in_force: Controls) -> ActorDocument:
    """The document of an actor, with the pause that applies."""
    signature = Signature.of(actor)
    return {
        "name": actor.actor_name,
        "title": signature.title,
        "help": signature.help,
        "queue": actor.queue_name,
        "paused_by": paused_by(in_force, actor.actor_name, actor.queue_name),
        "submit_role": permissions.submit_role(actor.actor_name),
        "view_role": permissions.view_role(actor.actor_name),
        "schema": signature.json_schema(),
    }
