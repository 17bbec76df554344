"""The request for an API token, read from a form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from src.web.auth.permissions import Patterns, read_patterns
from src.web.auth.tokens import create_token
from src.web.request_values import ahead


@dataclass(frozen=True, slots=True)
class TokenWish:
    """The attributes of a token to create."""

    name: str
    role: str
    actors: Patterns | None
    expires_at: datetime | None
    user_id: int | None = None

    def create(self) -> str:
        """Create the token and return it, this one time. Raises ValueError."""
        return create_token(self.name, self.role, actors=self.actors, expires_at=self.expires_at, user_id=self.user_id)

    def owned(self, user_id: int, actors: Patterns | None) -> TokenWish:
        """The same token, owned by a user and limited to his actors."""
        return replace(self, user_id=user_id, actors=actors)


def read(form: Mapping[str, str]) -> TokenWish:
    """The request of a form; raises ValueError or JobsError with the cure."""
    return TokenWish(
        form.get("name", "").strip(),
        form.get("role", ""),
        read_patterns(form.get("actors", "")),
        ahead("expires", form.get("expires", "").strip() or None),
    )
