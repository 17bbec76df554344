"""The first administrator and one-time sign-in links, for an operator at a terminal."""

from __future__ import annotations

from ..parts.actor_loading import load_actors, loading


def ensure_admin() -> str | None:
    """Create the user `admin` and return its password; only the first time."""
    load_actors()
    with loading():
        from ...operations.people import users  # imported late: it reads the settings
    return users.ensure_admin()


def one_time_link(base_url: str) -> str:
    """Create a one-time sign-in link below `base_url` for the administrator."""
    load_actors()
    with loading():
        from ...operations.people import sessions  # imported late: it reads the settings
    return sessions.one_time_link(base_url)
