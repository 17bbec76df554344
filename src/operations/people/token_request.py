"""Request for an API token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ..format.request_values import ahead
from .permissions import read_patterns
from .roles import Patterns
from .tokens import create_token


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The attributes of a token to create."""

    name: str
    role: str
    actors: Patterns | None
    expires_at: datetime | None
    user_id: int | None = None

    def create(self) -> str:
        """Create the token and return its text, stored only as a hash. Raises ValueError."""
        return create_token(self.name, self.role, actors=self.actors, expires_at=self.expires_at, user_id=self.user_id)

    def owned(self, user_id: int, actors: Patterns | None) -> TokenRequest:
        """The request with an owner, limited to the owner's actors."""
        return replace(self, user_id=user_id, actors=actors)


def read(form: Mapping[str, str]) -> TokenRequest:
    """Parse a form; raises ValueError or JobsError with the cure."""
    return TokenRequest(
        form.get("name", "").strip(),
        form.get("role", ""),
        read_patterns(form.get("actors", "")),
        ahead("expires", form.get("expires", "").strip() or None),
    )
