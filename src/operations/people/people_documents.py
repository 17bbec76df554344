"""Documents of users and tokens."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ..format.document_fields import Instant
from ..format.instants import write_instant
from .models import ApiToken, User
from .roles import Role

#: description of the limit of a user or token
LIMITED = "limit to these actors: names, or prefixes followed by a star; null: all"


class UserDocument(TypedDict):
    """A user."""

    id: int
    name: str
    role: Role
    actors: Annotated[list[str] | None, Field(description=LIMITED)]
    created_at: Instant
    disabled_at: Instant | None


class TokenDocument(TypedDict):
    """A token without its text."""

    id: int
    name: str
    prefix: Annotated[str, Field(description="the first characters of the token")]
    role: Role
    actors: Annotated[list[str] | None, Field(description=LIMITED)]
    user_id: Annotated[int | None, Field(description="the user whose personal token it is")]
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None


def user_document(user: User) -> UserDocument:
    """The document of a user."""
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role,
        "actors": user.actors,
        "created_at": write_instant(user.created_at),
        "disabled_at": write_instant(user.disabled_at),
    }


def token_document(token: ApiToken) -> TokenDocument:
    """The document of a token."""
    return {
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix,
        "role": token.role,
        "actors": token.actors,
        "user_id": token.user_id,
        "created_at": write_instant(token.created_at),
        "expires_at": write_instant(token.expires_at),
        "revoked_at": write_instant(token.revoked_at),
        "last_used_at": write_instant(token.last_used_at),
    }
