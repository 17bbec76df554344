"""The first administrator and one-time sign-in links, for an operator at a terminal."""

from __future__ import annotations

from ..parts.actor_loading import load_actors, loading


def ensure_admin() -> str | None:
    """Make the user `admin` and return its password, the first time only."""
    load_actors()
    with loading():
        from ...operations.people import users  # here: it reads the settings
    return users.ensure_admin()


def one_time_link(base_url: str) -> str:
    """A link below `base_url` that signs the administrator in, once."""
    load_actors()
    with loading():
        from ...operations.people import sessions  # here: it reads the settings
    return sessions.one_time_link(base_url)
